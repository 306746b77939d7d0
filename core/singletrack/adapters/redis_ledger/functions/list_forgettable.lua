-- list_forgettable: terminal runs whose time to live is over.
-- ARGV  limit
register('list_forgettable', { 'no-writes' }, function(args)
  return redis.call('ZRANGE', P .. 'finished', '-inf', int(now()), 'BYSCORE', 'LIMIT', 0, args[1])
end)
