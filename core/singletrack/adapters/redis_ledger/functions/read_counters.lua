-- read_counters: every counter and gauge, as field, value pairs.
register('read_counters', { 'no-writes' }, function()
  return redis.call('HGETALL', P .. 'metrics')
end)
