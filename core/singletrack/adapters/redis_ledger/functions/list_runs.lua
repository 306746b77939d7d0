-- list_runs: the records of a namespace, newest first, without the large fields.
-- ARGV  namespace, limit, before (0 for the newest), then the names of the fields wanted
-- reply one list per run: id, then the fields' values
register('list_runs', { 'no-writes' }, function(args)
  local top = args[3] == '0' and '+inf' or '(' .. args[3]
  local ids = redis.call('ZRANGE', P .. 'runs:' .. args[1], top, '-inf', 'BYSCORE', 'REV', 'LIMIT',
    0, args[2])
  local fields, found = {}, {}
  for i = 4, #args do fields[#fields + 1] = args[i] end
  for _, id in ipairs(ids) do
    found[#found + 1] = { id, redis.call('HMGET', P .. 'run:' .. id, unpack(fields)) }
  end
  return found
end)
