-- resume_queue: end a pause; what was parked is due at once, its start deadline begins again.
-- ARGV  queue
-- reply 1, or 0 when it was not paused
register('resume_queue', {}, function(args)
  if resume('queue', args[1]) == 0 then return 0 end
  local parked = P .. 'parked:' .. args[1]
  for _, id in ipairs(redis.call('ZRANGE', parked, 0, -1)) do
    local r = fetch(id)
    local opens = opens_at(r, now())
    redis.call('ZADD', P .. 'due', int(opens), id)
    limit(r, 'start_deadline_ms', opens)
  end
  redis.call('DEL', parked)
  return 1
end)
