-- renew: renew an agent's leases in one batch; also its sign of life.
-- ARGV  agent, then id, nonce pairs
-- reply blessed ('1' or ''), then verdict, cancel by, reason, grace in ms for each lease
register('renew', { 'allow-oom' }, function(args)
  redis.call('HSET', P .. 'agents', args[1], server_id())
  local reply = { is_blessed() and '1' or '' }
  for i = 2, #args, 2 do
    local record = P .. 'run:' .. args[i]
    local v = redis.call('HMGET', record, 'state', 'nonce', 'cancel_by', 'cancel_reason',
      'cancel_grace_ms')
    local held = (v[1] == 'CLAIMED' or v[1] == 'RUNNING') and v[2] == args[i + 1]
    if held then redis.call('HINCRBY', record, 'lease_seq', 1) end
    local cancelled = held and v[3] and v[3] ~= ''
    reply[#reply + 1] = not held and 'DROP' or cancelled and 'CANCEL' or 'OK'
    reply[#reply + 1] = cancelled and v[3] or ''
    reply[#reply + 1] = cancelled and v[4] or ''
    reply[#reply + 1] = cancelled and v[5] or ''
  end
  return reply
end)
