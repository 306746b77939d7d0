-- list_paused_queues: the broker queues that are paused, by name.
-- reply one list per queue: name, the pause as JSON, number of parked runs
register('list_paused_queues', { 'no-writes' }, function()
  local reply = {}
  for _, name in ipairs(redis.call('HKEYS', P .. 'paused')) do
    local queue = string.match(name, '^queue:(.*)$')
    if queue then
      local parked = redis.call('ZCARD', P .. 'parked:' .. queue)
      reply[#reply + 1] = { queue, pause_of('queue', queue), parked }
    end
  end
  table.sort(reply, function(one, other) return one[1] < other[1] end)
  return reply
end)
