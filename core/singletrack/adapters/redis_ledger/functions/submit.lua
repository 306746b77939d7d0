-- submit: record a run and decide by its policy whether it starts, waits, is refused or not needed.
-- ARGV  id, fingerprint, lock, policy, push ('1' or ''), then the record's fields as name, value pairs
-- reply verdict, state, created, id and name of the holder (or of the run it joined)

local function supersede(r, reason, message)
  for _, waiting in ipairs(waiting_for(r.lock)) do
    set_aside(fetch(waiting), reason, message)
  end
end

local function start(r, _, claim)
  if claim and not is_paused('queue', r.queue) then claim(r) else move(r, 'READY') end
end

-- What is kept of the other run is what a reader of the record can follow.
local function point_at(r, other)
  if other then change(r, 'holder_id', other.id, 'holder_name', other.name) end
end

local function taken(r, holder)
  if not holder then return 'lock ' .. r.lock .. ' is paused' end
  local who = holder.name ~= '' and holder.name or holder.id
  return 'lock ' .. r.lock .. ' is held by run ' .. who
end

local function refuse(r, seen)
  local reason = why_refused(r.policy, seen)
  local full = reason == 'QueueFull' and r.max_queue .. ' runs already wait for lock ' .. r.lock
  point_at(r, seen.holder)
  fail(r, 'REJECTED', reason, full or taken(r, seen.holder))
end

local function replace(r, seen)
  local holder, message = seen.holder, 'replaced by run ' .. r.id
  supersede(r, 'Replaced', message)
  move(r, 'QUEUED')
  if not holder then return end
  if holder.state == 'READY' then
    set_aside(holder, 'Replaced', message)
  elseif holder.cancel_by == '' then
    change(holder, 'cancel_by', 'replaced', 'cancel_reason', message, 'cancel_grace_ms', 30000)
    emit(holder)
    redis.call('PUBLISH', P .. 'wake', holder.id)
  end
end

local carry_out = {
  start = start,
  wait = function(r) move(r, 'QUEUED') end,
  supersede = function(r)
    supersede(r, 'Superseded', 'superseded by run ' .. r.id)
    move(r, 'QUEUED')
  end,
  replace = replace,
  reject = refuse,
  join = function(r, seen)
    seen.holder = joined_by(r.lock, seen)
    point_at(r, seen.holder)
    move(r, 'JOINED')
  end,
  skip = function(r, seen)
    point_at(r, seen.holder)
    fail(r, 'SKIPPED', 'Skipped', 'not needed: ' .. taken(r, seen.holder))
  end,
}

local function record(id, args)
  local r = blank(id, args, 6)
  local sequence = next_number('sequence')
  change(r, 'sequence', sequence, 'submitted_at', now(), 'fingerprint', args[2],
    'lock', args[3], 'policy', args[4], 'push', args[5])
  list(r, sequence)
  return r
end

-- Refuse a queue that is another kind of key, before anything is written.
local function check_queue(args)
  for i = 6, #args, 2 do
    if args[i] == 'queue' then
      local kind = redis.call('TYPE', args[i + 1]).ok
      if kind ~= 'none' and kind ~= 'list' then
        error('queue ' .. args[i + 1] .. ' is a key of another kind: ' .. kind)
      end
    end
  end
end

-- Record a run that is not known yet; `args` as above. With `claim`, a run whose lock is free is given
-- to it instead of becoming READY. Answers the run as it is then, and who holds its lock.
submit_run = function(id, args, claim)
  check_policy(args[4])
  if args[5] == '1' then check_queue(args) end
  local r = record(id, args)
  local seen = look_at(r.lock)
  carry_out[decide(r.policy, seen, r.max_queue)](r, seen, claim)
  if seen.holder then r = fetch(id) end
  if r.door == 'rest' and r.state ~= 'REJECTED' and r.state ~= 'SKIPPED' then
    redis.call('HSET', P .. 'latest', r.namespace, id)
  end
  return r, seen.holder
end

register('submit', {}, function(args)
  local id = args[1]
  local known = fetch(id)
  if known then
    local same = known.fingerprint == args[2]
    return { same and 'OK' or 'CONFLICT', known.state, '0', '', '' }
  end
  local r, holder = submit_run(id, args)
  return { 'OK', r.state, '1', holder and holder.id or '', holder and holder.name or '' }
end)
