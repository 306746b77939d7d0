-- renew: renew an agent's leases in one batch; also its sign of life.
-- ARGV  agent, highest token it has seen, server it has told everything, then id, nonce pairs
-- reply blessed ('1' or ''), server identity, agent known ('1' or ''), then verdict, cancel by,
--       reason, grace in ms for each lease

-- A suspect holder has spoken: its lock is an ordinary one again.
local function trust_again(id)
  local r = fetch(id)
  change(r, 'suspect_at', '')
  count('locks_suspect', '-1')
  emit(r)
end

register('renew', { 'allow-oom' }, function(args)
  local known = redis.call('HSET', P .. 'agents', args[1], args[3]) == 0
  local blessed = is_blessed()
  if not blessed then raise_token(args[2]) end
  if not known and args[3] ~= '' then redis.call('HSET', P .. 'meta', 'past', '1') end
  local reply = { blessed and '1' or '', server_id(), known and '1' or '' }
  for i = 4, #args, 2 do
    local record = P .. 'run:' .. args[i]
    local v = redis.call('HMGET', record, 'state', 'nonce', 'cancel_by', 'cancel_reason',
      'cancel_grace_ms', 'suspect_at')
    local held = (v[1] == 'CLAIMED' or v[1] == 'RUNNING') and v[2] == args[i + 1]
    if held then redis.call('HINCRBY', record, 'lease_seq', 1) end
    if held and v[6] and v[6] ~= '' then trust_again(args[i]) end
    local cancelled = held and v[3] and v[3] ~= ''
    reply[#reply + 1] = not held and 'DROP' or cancelled and 'CANCEL' or 'OK'
    reply[#reply + 1] = cancelled and v[3] or ''
    reply[#reply + 1] = cancelled and v[4] or ''
    reply[#reply + 1] = cancelled and v[5] or ''
  end
  return reply
end)
