-- list_waiting_locks: locks with somebody waiting and no owner that are not paused.
-- ARGV  limit
register('list_waiting_locks', { 'no-writes' }, function(args)
  local free = {}
  for _, lock in ipairs(redis.call('SMEMBERS', P .. 'waiting')) do
    if #free >= tonumber(args[1]) then break end
    local taken = redis.call('HEXISTS', lock_key(lock), 'owner') == 1
    if not taken and not is_paused('lock', lock) then free[#free + 1] = lock end
  end
  return free
end)
