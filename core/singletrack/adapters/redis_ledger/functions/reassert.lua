-- reassert: while unblessed, an agent restores the record of a started run the server has forgotten.
-- ARGV  id, nonce, token, attempt, worker, fingerprint, lock, policy, push, then the record's fields
-- reply verdict, state

local function displace(lock, id)
  local owner = redis.call('HGET', lock_key(lock), 'owner')
  local other = owner and owner ~= id and fetch(owner)
  if not other then return end
  redis.call('DEL', lock_key(lock))
  if other.state == 'READY' then
    other.at_head = true
    leave(other)
    change(other, 'state', 'QUEUED')
    count('runs|state=READY', -1)
    count('runs|state=QUEUED')
    enter.QUEUED(other, now())
    emit(other)
  else
    fail(other, 'LOST', 'WorkerLost', 'run ' .. id .. ' had taken the lock before the restart')
  end
end

local function restore(id, args)
  local r = blank(id, args, 10)
  local sequence = next_number('sequence')
  change(r, 'state', 'RUNNING', 'sequence', sequence, 'submitted_at', now(), 'started_at', now(),
    'fingerprint', args[6], 'lock', args[7], 'policy', args[8], 'push', args[9])
  redis.call('ZADD', P .. 'runs:' .. r.namespace, int(sequence), id)
  count('runs|state=RUNNING')
  return r
end

register('reassert', {}, function(args)
  local id, nonce = args[1], args[2]
  local floor = math.max(tonumber(redis.call('HGET', P .. 'meta', 'token') or '0'), tonumber(args[3]))
  redis.call('HSET', P .. 'meta', 'token', int(floor))
  local r = fetch(id)
  if is_blessed() or (r and not TRANSITIONS[r.state]) then return { 'DROP', r and r.state or '' } end
  displace(r and r.lock or args[7], id)
  if r and r.state ~= 'RUNNING' then
    leave(r)
    count('runs|state=' .. r.state, -1)
    count('runs|state=RUNNING')
    change(r, 'state', 'RUNNING', 'started_at', now())
  elseif not r then
    r = restore(id, args)
  end
  change(r, 'nonce', nonce, 'token', args[3], 'attempt', args[4], 'worker', args[5], 'lease_seq', 1)
  redis.call('HSET', lock_key(r.lock), 'owner', id, 'token', args[3])
  redis.call('SADD', P .. 'leased', id)
  emit(r)
  return { 'OK', r.state }
end)
