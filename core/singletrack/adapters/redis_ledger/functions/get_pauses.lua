-- get_pauses: the pauses of a lock and of a broker queue.
-- ARGV  lock, queue
-- reply the lock's as JSON or '', the queue's
register('get_pauses', { 'no-writes' }, function(args)
  return { pause_of('lock', args[1]), pause_of('queue', args[2]) }
end)
