-- register_tasks: add a worker's tasks to the catalogue; every outcome's counter starts at 0.
-- ARGV  name, JSON text pairs
register('register_tasks', {}, function(args)
  for i = 1, #args, 2 do
    redis.call('HSET', P .. 'tasks', args[i], args[i + 1])
    for _, outcome in ipairs(OUTCOMES) do
      redis.call('HSETNX', P .. 'metrics',
        'runs_finished_total|task=' .. args[i] .. '|outcome=' .. outcome, 0)
    end
  end
  return 1
end)
