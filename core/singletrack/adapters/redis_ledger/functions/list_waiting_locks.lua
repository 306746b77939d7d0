-- list_waiting_locks: of a few locks with somebody waiting, taken at random, those that are free and
-- not paused. All of them would be as many commands as locks, every second.
-- ARGV  how many to look at
register('list_waiting_locks', { 'no-writes' }, function(args)
  local free, fields = {}, {}
  for _, lock in ipairs(redis.call('SRANDMEMBER', P .. 'waiting', args[1])) do
    if redis.call('HEXISTS', lock_key(lock), 'owner') == 0 then
      free[#free + 1] = lock
      fields[#fields + 1] = 'lock:' .. lock
    end
  end
  if #free == 0 then return free end
  local pauses = redis.call('HMGET', P .. 'paused', unpack(fields))
  local found = {}
  for i, lock in ipairs(free) do
    if not pauses[i] then found[#found + 1] = lock end
  end
  return found
end)
