-- submit: record a run and decide by its policy whether it starts, waits or is refused.
-- ARGV  id, fingerprint, lock, policy, push ('1' or ''), claim nonce, worker, then the record's
--       fields as name, value pairs
-- reply verdict, state, created, holder id, holder name, then a grant if the nonce got one

local function holder_of(lock)
  local owner = redis.call('HGET', lock_key(lock), 'owner')
  return owner and fetch(owner) or nil
end

local function supersede(lock, id)
  for _, waiting in ipairs(redis.call('ZRANGE', P .. 'wait:' .. lock, 0, -1)) do
    if waiting ~= id then
      fail(fetch(waiting), 'SUPERSEDED', 'Replaced', 'replaced by run ' .. id)
    end
  end
end

local function full(r)
  local room = tonumber(r.max_queue)
  return room and redis.call('ZCARD', P .. 'wait:' .. r.lock) >= room
end

local function refuse(r, holder, reason, message)
  change(r, 'holder_id', holder.id, 'holder_name', holder.name)
  fail(r, 'REJECTED', reason, message)
end

local by_policy = {
  Queue = function(r, holder)
    if full(r) then
      refuse(r, holder, 'QueueFull', r.max_queue .. ' runs already wait for lock ' .. r.lock)
    else
      move(r, 'QUEUED')
    end
  end,
  Reject = function(r, holder)
    local ending = holder.cancel_by ~= ''
    if ending and redis.call('EXISTS', P .. 'wait:' .. r.lock) == 0 then
      move(r, 'QUEUED')
    else
      local who = holder.name ~= '' and holder.name or holder.id
      refuse(r, holder, 'LockHeld', 'lock ' .. r.lock .. ' is held by run ' .. who)
    end
  end,
  Replace = function(r, holder)
    supersede(r.lock, r.id)
    move(r, 'QUEUED')
    if holder.state == 'READY' then
      fail(holder, 'SUPERSEDED', 'Replaced', 'replaced by run ' .. r.id)
    elseif holder.cancel_by == '' then
      change(holder, 'cancel_by', 'replaced', 'cancel_reason', 'replaced by run ' .. r.id,
        'cancel_grace_ms', 30000)
      emit(holder)
      redis.call('PUBLISH', P .. 'wake', holder.id)
    end
  end,
}

local function record(id, args)
  local r = blank(id, args, 8)
  local sequence = redis.call('HINCRBY', P .. 'meta', 'sequence', 1)
  change(r, 'sequence', sequence, 'submitted_at', now(), 'fingerprint', args[2],
    'lock', args[3], 'policy', args[4], 'push', args[5])
  redis.call('ZADD', P .. 'runs:' .. r.namespace, sequence, id)
  count('runs_submitted_total|task=' .. known_task(r) .. '|door=' .. r.door)
  return r
end

-- Refuse a queue that is another kind of key, before anything is written.
local function check_queue(args)
  for i = 8, #args, 2 do
    if args[i] == 'queue' then
      local kind = redis.call('TYPE', args[i + 1]).ok
      if kind ~= 'none' and kind ~= 'list' then
        error('queue ' .. args[i + 1] .. ' is a key of another kind: ' .. kind)
      end
    end
  end
end

local function with_grant(reply, r)
  for _, value in ipairs(describe_grant(r)) do reply[#reply + 1] = value end
  return reply
end

register('submit', {}, function(args)
  local id, nonce = args[1], args[6]
  local known = fetch(id)
  if known then
    local same = known.fingerprint == args[2]
    local reply = { same and 'OK' or 'CONFLICT', known.state, '0', '', '' }
    local granted = same and nonce ~= '' and known.state == 'CLAIMED' and known.nonce == nonce
    return granted and with_grant(reply, known) or reply
  end
  if not by_policy[args[4]] then error('there is no policy ' .. args[4]) end
  if args[5] == '1' then check_queue(args) end
  local r = record(id, args)
  local holder = holder_of(r.lock)
  if not holder and nonce ~= '' and is_blessed() then
    grant(r, nonce, args[7])
  elseif not holder then
    move(r, 'READY')
  else
    by_policy[r.policy](r, holder)
    r = fetch(id)
  end
  if r.door == 'rest' and r.state ~= 'REJECTED' then
    redis.call('HSET', P .. 'latest', r.namespace, id)
  end
  local reply = { 'OK', r.state, '1', holder and holder.id or '', holder and holder.name or '' }
  return r.state == 'CLAIMED' and with_grant(reply, r) or reply
end)
