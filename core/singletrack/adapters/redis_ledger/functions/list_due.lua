-- list_due: READY runs whose message should be published now.
-- ARGV  limit
-- reply one list per run: id, publications, queue, envelope
register('list_due', { 'no-writes' }, function(args)
  local due = redis.call('ZRANGE', P .. 'due', '-inf', int(now()), 'BYSCORE', 'LIMIT', 0, args[1])
  local found = {}
  for _, id in ipairs(due) do
    local v = redis.call('HMGET', P .. 'run:' .. id, 'publications', 'queue', 'envelope')
    found[#found + 1] = { id, v[1] or '0', v[2] or '', v[3] or '' }
  end
  return found
end)
