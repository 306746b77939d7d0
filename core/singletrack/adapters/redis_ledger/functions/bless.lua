-- bless: declare the server complete: claims may be served again. Every READY run becomes due.
-- ARGV  server identity, token floor
-- reply 1, or 0 when the server has restarted since
register('bless', {}, function(args)
  if server_id() ~= args[1] then return 0 end
  local meta = P .. 'meta'
  local floor = math.max(tonumber(redis.call('HGET', meta, 'token') or '0'), tonumber(args[2]))
  redis.call('HSET', meta, 'blessed', args[1], 'token', int(floor))
  for _, id in ipairs(redis.call('ZRANGE', P .. 'due', 0, -1)) do
    redis.call('ZADD', P .. 'due', int(now()), id)
  end
  for _, lock in ipairs(redis.call('SMEMBERS', P .. 'waiting')) do promote(lock) end
  return 1
end)
