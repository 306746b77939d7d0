-- ack_projection: the TaskRun shows this revision.
-- ARGV  id, revision
-- reply 1, or 0 when the record has moved on
register('ack_projection', { 'allow-oom' }, function(args)
  if redis.call('HGET', P .. 'run:' .. args[1], 'revision') ~= args[2] then return 0 end
  return redis.call('ZREM', P .. 'unprojected', args[1])
end)
