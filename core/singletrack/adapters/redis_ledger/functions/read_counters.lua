-- read_counters: what was counted, and what is read off the indexes.
-- reply field, value pairs, and others to be added to them; field, value pairs; the names that are labels,
--       as task=<name> or queue=<name>

-- There are never more runs that workers have than slots.
local function read_leased(into)
  local since = read_labels()
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'leased')) do
    local r = fetch(id)
    if r then
      local queue = 'queue=' .. label_of(since, 'queue', r.queue, number(r, 'sequence'))
      local alive, longest = 'runs|' .. queue .. '|state=' .. r.state, 'longest_running_seconds|' .. queue
      into[alive] = (into[alive] or 0) + 1
      if r.state == 'RUNNING' then
        into[longest] = math.max(into[longest] or 0, (now() - number(r, 'started_at')) / 1000)
      end
    end
  end
end

local function flat(fields, format)
  local found = {}
  for field, value in pairs(fields) do
    found[#found + 1], found[#found + 2] = field, string.format(format, value)
  end
  return found
end

register('read_counters', { 'no-writes' }, function()
  local gauges = {
    ledger_blessed = is_blessed() and 1 or 0,
    runs_kept = redis.call('ZCARD', P .. 'finished'),
    runs_unprojected = redis.call('ZCARD', P .. 'unprojected'),
  }
  read_leased(gauges)
  local since = tally(redis.call('GET', P .. 'counted') or '')
  return { redis.call('HGETALL', P .. 'counters'), flat(since, '%.0f'), flat(gauges, '%.3f'),
    redis.call('HKEYS', P .. 'labels') }
end)
