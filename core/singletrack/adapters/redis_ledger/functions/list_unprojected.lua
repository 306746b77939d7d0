-- list_unprojected: runs with a TaskRun that does not show their latest revision.
-- ARGV  limit
register('list_unprojected', { 'no-writes' }, function(args)
  local limit = tonumber(args[1])
  return limit > 0 and redis.call('ZRANGE', P .. 'unprojected', 0, limit - 1) or {}
end)
