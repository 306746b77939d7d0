-- release_lock: a human gives up the holder of a suspect lock; nothing else lets go of one.
-- ARGV  lock, token expected ('0' for any), by, reason
-- reply verdict, state, id of the holder
register('release_lock', { 'allow-oom' }, function(args)
  local lock, expected = args[1], args[2]
  local owner = redis.call('HGET', lock_key(lock), 'owner')
  local r = owner and fetch(owner)
  if not r then return { 'UNKNOWN', '', '' } end
  if not is_blessed() then return { 'RECOVERING', r.state, r.id } end
  local meant = expected == '0' or expected == r.token
  if r.suspect_at == '' or not meant then return { 'DROP', r.state, r.id } end
  count('locks_released_total')
  fail(r, 'LOST', 'WorkerUnreachable', 'its lock was released by ' .. args[3] .. ': ' .. args[4])
  return { 'OK', r.state, r.id }
end)
