-- list_tasks: the catalogue, as name, JSON text pairs.
register('list_tasks', { 'no-writes' }, function() return redis.call('HGETALL', P .. 'tasks') end)
