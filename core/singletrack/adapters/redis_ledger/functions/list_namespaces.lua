-- list_namespaces: every namespace that has records.
register('list_namespaces', { 'no-writes' }, function()
  return redis.call('SMEMBERS', P .. 'namespaces')
end)
