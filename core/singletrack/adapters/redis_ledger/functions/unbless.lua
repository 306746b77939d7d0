-- unbless: withdraw the blessing: nothing starts until the next one.
-- ARGV  the identity that no server has
register('unbless', { 'allow-oom' }, function(args)
  redis.call('HSET', P .. 'meta', 'blessed', args[1])
  return 1
end)
