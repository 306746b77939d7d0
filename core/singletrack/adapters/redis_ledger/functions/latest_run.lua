-- latest_run: the id of the namespace's latest run accepted at the REST door.
-- ARGV  namespace
register('latest_run', { 'no-writes' }, function(args)
  return redis.call('HGET', P .. 'latest', args[1])
end)
