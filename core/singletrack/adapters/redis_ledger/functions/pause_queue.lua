-- pause_queue: let no run of a broker queue start until it is resumed.
-- ARGV  queue, by, reason
-- reply 1, or 0 when it is paused already
register('pause_queue', {}, function(args)
  if pause('queue', args[1], args[2], args[3]) == 0 then return 0 end
  for _, id in ipairs(redis.call('ZRANGE', P .. 'due', 0, -1)) do
    if redis.call('HGET', P .. 'run:' .. id, 'queue') == args[1] then
      local r = fetch(id)
      leave(r)
      park(r, now())
      save(r)
    end
  end
  return 1
end)
