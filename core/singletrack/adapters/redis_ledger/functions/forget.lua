-- forget: delete the record of a terminal run whose time to live is over and whose TaskRun, if it
-- has one, shows its end.
-- ARGV  id
-- reply 1 if it was deleted
register('forget', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then -- a server that evicts may have lost it; it would be listed for ever
    redis.call('ZREM', P .. 'finished', args[1])
    return 0
  end
  local over = redis.call('ZSCORE', P .. 'finished', args[1])
  if not over or tonumber(over) > now() then return 0 end
  if redis.call('ZSCORE', P .. 'unprojected', r.id) then
    -- Without its record, a TaskRun that does not show the end yet would be submitted again.
    redis.call('ZADD', P .. 'finished', int(now() + REPUBLISH_MS), r.id)
    return 0
  end
  redis.call('DEL', P .. 'run:' .. r.id)
  redis.call('ZREM', P .. 'finished', r.id)
  redis.call('SREM', P .. 'provisional', r.id)
  unlist(r)
  return 1
end)
