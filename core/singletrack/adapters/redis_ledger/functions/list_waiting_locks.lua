-- list_waiting_locks: of a few locks with somebody waiting, taken at random, those that are free and
-- not paused. All of them would be as many commands as locks, every second.
-- ARGV  how many to look at
register('list_waiting_locks', { 'no-writes' }, function(args)
  local free = {}
  for _, lock in ipairs(redis.call('SRANDMEMBER', P .. 'waiting', args[1])) do
    local taken = redis.call('HEXISTS', lock_key(lock), 'owner') == 1
    if not taken and not is_paused('lock', lock) then free[#free + 1] = lock end
  end
  return free
end)
