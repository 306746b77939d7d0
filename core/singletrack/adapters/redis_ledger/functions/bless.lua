-- bless: declare the server complete: claims may be served again. Every READY run becomes due, and
-- what was LOST provisionally is lost for good.
-- ARGV  server identity, token floor
-- reply 1, or 0 when the server has restarted since, or does not say who it is
register('bless', {}, function(args)
  if args[1] == '' or server_id() ~= args[1] then return 0 end
  raise_token(args[2])
  if not is_blessed() then
    redis.call('HSET', P .. 'meta', 'blessed', args[1], 'blessed_at', int(micros()))
  end
  redis.call('HDEL', P .. 'meta', 'past')
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'provisional')) do
    local r = fetch(id)
    redis.call('HDEL', P .. 'run:' .. id, 'provisional')
    local why = { 'failure_reason', 'failure_message', 'finished_at' }
    local said = redis.call('HMGET', P .. 'run:' .. id, unpack(why))
    for i, field in ipairs(why) do r[field] = said[i] end
    count_end(r, 'LOST')
    tell_celery(r)
    r.provisional = ''
    if r.deleted ~= '' then hide(r) end
  end
  redis.call('DEL', P .. 'provisional')
  for _, id in ipairs(redis.call('ZRANGE', P .. 'due', 0, -1)) do
    redis.call('ZADD', P .. 'due', int(opens_at(fetch(id), now())), id)
  end
  for _, lock in ipairs(redis.call('SMEMBERS', P .. 'waiting')) do promote(lock) end
  return 1
end)
