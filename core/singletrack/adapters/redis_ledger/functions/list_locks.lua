-- list_locks: the locks of a namespace that somebody holds, waits for or has paused, by name. Nothing
-- lists them while runs come and go: they are found from the runs that live and the pauses.
-- ARGV  namespace, limit, the last key that is known ('' for the first page)
-- reply one list per lock: key, id and name of the holder, token, suspect ('1' or ''), how many wait,
--       the pause as JSON or ''

local function live_runs()
  local found = { redis.call('SMEMBERS', P .. 'leased'), redis.call('ZRANGE', P .. 'due', 0, -1) }
  for _, name in ipairs(redis.call('HKEYS', P .. 'paused')) do
    local queue = string.match(name, '^queue:(.*)$')
    if queue then found[#found + 1] = redis.call('ZRANGE', P .. 'parked:' .. queue, 0, -1) end
  end
  return found
end

-- Every key of the namespace behind the one that is known, in order.
local function names(ns, after)
  local seen, found = {}, {}
  local function note(lock)
    if not lock or seen[lock] or lock <= after then return end
    if string.sub(lock, 1, #ns + 1) ~= ns .. '/' then return end
    seen[lock] = true
    found[#found + 1] = lock
  end
  for _, ids in ipairs(live_runs()) do
    for _, id in ipairs(ids) do note(redis.call('HGET', P .. 'run:' .. id, 'lock')) end
  end
  for _, lock in ipairs(redis.call('SMEMBERS', P .. 'waiting')) do note(lock) end
  for _, name in ipairs(redis.call('HKEYS', P .. 'paused')) do
    note(string.match(name, '^lock:(.*)$'))
  end
  table.sort(found)
  return found
end

local function describe(lock)
  local held = redis.call('HMGET', lock_key(lock), 'owner', 'token')
  local owner = held[1] or ''
  local run = owner ~= '' and redis.call('HMGET', P .. 'run:' .. owner, 'name', 'suspect_at') or {}
  local suspect = run[2] and run[2] ~= '' and '1' or ''
  local waiting = redis.call('ZCARD', P .. 'wait:' .. lock)
  return { lock, owner, run[1] or '', held[2] or '0', suspect, waiting, pause_of('lock', lock) }
end

register('list_locks', { 'no-writes' }, function(args)
  local reply = {}
  for _, lock in ipairs(names(args[1], args[3])) do
    if #reply == tonumber(args[2]) then break end
    reply[#reply + 1] = describe(lock)
  end
  return reply
end)
