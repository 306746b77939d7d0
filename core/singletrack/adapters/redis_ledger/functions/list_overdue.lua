-- list_overdue: runs whose waiting time is over.
-- ARGV  limit
register('list_overdue', { 'no-writes' }, function(args)
  return redis.call('ZRANGE', P .. 'deadlines', '-inf', int(now()), 'BYSCORE', 'LIMIT', 0, args[1])
end)
