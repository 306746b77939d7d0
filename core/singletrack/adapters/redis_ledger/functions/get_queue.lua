-- get_queue: whether a broker queue is paused and how many runs that holds back.
-- ARGV  queue
-- reply the pause as JSON or '', number of parked runs
register('get_queue', { 'no-writes' }, function(args)
  return { pause_of('queue', args[1]), redis.call('ZCARD', P .. 'parked:' .. args[1]) }
end)
