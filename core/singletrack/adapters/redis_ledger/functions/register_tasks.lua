-- register_tasks: add a worker's tasks to the catalogue, and have them and its queues counted by name.
-- ARGV  how many queues, the queues, then name, JSON text pairs
register('register_tasks', {}, function(args)
  local queues = tonumber(args[1])
  for i = 2, queues + 1 do add_label('queue', args[i]) end
  for i = queues + 2, #args, 2 do
    redis.call('HSET', P .. 'tasks', args[i], args[i + 1])
    add_label('task', args[i])
  end
  return 1
end)
