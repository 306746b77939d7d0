-- get_run: the record of one run, as field, value pairs.
-- ARGV  id
register('get_run', { 'no-writes' }, function(args)
  return redis.call('HGETALL', P .. 'run:' .. args[1])
end)
