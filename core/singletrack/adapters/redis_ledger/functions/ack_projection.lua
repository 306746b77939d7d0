-- ack_projection: the TaskRun shows this revision.
-- ARGV  id, revision
-- reply 1, or 0 when the record has moved on
register('ack_projection', { 'allow-oom' }, function(args)
  if redis.call('ZSCORE', P .. 'unprojected', args[1]) ~= args[2] then return 0 end
  redis.call('ZREM', P .. 'unprojected', args[1])
  return 1
end)
