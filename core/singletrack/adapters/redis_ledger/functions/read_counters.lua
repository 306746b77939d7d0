-- read_counters: what was counted, and what is read off the indexes.
-- reply field, value pairs; field, value pairs; the names that are labels, as task=<name> or queue=<name>

-- There are never more runs that workers have than slots.
local function read_leased(into)
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'leased')) do
    local r = fetch(id)
    if r then
      local queue = 'queue=' .. queue_of(r)
      local alive, longest = 'runs|' .. queue .. '|state=' .. r.state, 'longest_running_seconds|' .. queue
      into[alive] = (into[alive] or 0) + 1
      if r.state == 'RUNNING' then
        into[longest] = math.max(into[longest] or 0, (now() - number(r, 'started_at')) / 1000)
      end
    end
  end
end

register('read_counters', { 'no-writes' }, function()
  local gauges, read = {
    ledger_blessed = is_blessed() and 1 or 0,
    runs_kept = redis.call('ZCARD', P .. 'finished'),
    runs_unprojected = redis.call('ZCARD', P .. 'unprojected'),
  }, {}
  read_leased(gauges)
  for field, value in pairs(gauges) do
    read[#read + 1], read[#read + 2] = field, string.format('%.3f', value)
  end
  return { redis.call('HGETALL', P .. 'counters'), read, redis.call('HKEYS', P .. 'labels') }
end)
