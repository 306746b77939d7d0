-- agent_gone: forget an agent.
-- ARGV  agent
register('agent_gone', { 'allow-oom' }, function(args)
  redis.call('HDEL', P .. 'agents', args[1])
  return 1
end)
