-- list_unprojected: runs with a TaskRun that does not show their latest revision.
-- ARGV  limit
register('list_unprojected', { 'no-writes' }, function(args)
  return redis.call('ZRANGE', P .. 'unprojected', 0, args[1] - 1)
end)
