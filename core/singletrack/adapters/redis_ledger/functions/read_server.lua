-- read_server: what the server says of itself.
-- reply server identity, blessed identity, version, flavour, eviction policy, aof, replicas, fsync,
--       clock, emptied ('1' or ''), time of the blessing, then agent, identity pairs

-- A ledger nobody has blessed is new, or has lost everything. The server counts how often it was
-- flushed, and an agent that comes with a past tells that there was one.
local function is_emptied(blessed, past)
  if blessed then return false end
  local commands = redis.call('INFO', 'commandstats')
  return past or string.find(commands, 'cmdstat_flush[ad][lb]l?:calls=[1-9]') ~= nil
end

register('read_server', { 'no-writes' }, function()
  local server, memory = redis.call('INFO', 'server'), redis.call('INFO', 'memory')
  local persistence = redis.call('INFO', 'persistence')
  local replication = redis.call('INFO', 'replication')
  local valkey = string.match(server, 'valkey_version:([%w.]+)')
  local meta = redis.call('HMGET', P .. 'meta', 'blessed', 'fsync', 'past', 'blessed_at')
  local reply = {
    server_id(), meta[1] or '', valkey or string.match(server, 'redis_version:([%w.]+)'),
    valkey and 'valkey' or 'redis', string.match(memory, 'maxmemory_policy:([%w-]+)') or '',
    string.match(persistence, 'aof_enabled:(%d)') or '0',
    string.match(replication, 'connected_slaves:(%d+)') or '0', meta[2] or '', int(micros()),
    is_emptied(meta[1], meta[3]) and '1' or '', meta[4] or '0',
  }
  for _, value in ipairs(redis.call('HGETALL', P .. 'agents')) do reply[#reply + 1] = value end
  return reply
end)
