-- forget: delete the record of a terminal run whose time to live is over.
-- ARGV  id
-- reply 1 if it was deleted
register('forget', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  local over = redis.call('ZSCORE', P .. 'finished', args[1])
  if not r or not over or tonumber(over) > now() then return 0 end
  redis.call('DEL', P .. 'run:' .. r.id)
  redis.call('ZREM', P .. 'finished', r.id)
  redis.call('ZREM', P .. 'unprojected', r.id)
  redis.call('ZREM', P .. 'runs:' .. r.namespace, r.id)
  if redis.call('HGET', P .. 'latest', r.namespace) == r.id then
    redis.call('HDEL', P .. 'latest', r.namespace)
  end
  return 1
end)
