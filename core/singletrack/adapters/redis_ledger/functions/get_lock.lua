-- get_lock: who owns a lock, whether it is paused, and who waits.
-- ARGV  lock
-- reply owner, token, the pause as JSON or '', then the waiting runs in order
register('get_lock', { 'no-writes' }, function(args)
  local lock = redis.call('HMGET', lock_key(args[1]), 'owner', 'token')
  local reply = { lock[1] or '', lock[2] or '0', pause_of('lock', args[1]) }
  for _, id in ipairs(redis.call('ZRANGE', P .. 'wait:' .. args[1], 0, -1)) do
    reply[#reply + 1] = id
  end
  return reply
end)
