-- list_leases: every CLAIMED or RUNNING run.
-- reply one list per run: id, nonce, lease_seq, state
register('list_leases', { 'no-writes' }, function()
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'leased')) do
    local v = redis.call('HMGET', P .. 'run:' .. id, 'nonce', 'lease_seq', 'state')
    found[#found + 1] = { id, v[1] or '', v[2] or '0', v[3] or '' }
  end
  return found
end)
