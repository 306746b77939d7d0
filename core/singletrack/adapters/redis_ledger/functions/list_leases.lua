-- list_leases: every CLAIMED or RUNNING run.
-- reply one list per run: id, nonce, lease_seq, state, Pod of its worker if it holds its lock, whether
--       it is suspect ('1' or '')
register('list_leases', { 'no-writes' }, function()
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'leased')) do
    local v = redis.call('HMGET', P .. 'run:' .. id, 'nonce', 'lease_seq', 'state', 'pod', 'suspect_at')
    local suspect = v[5] and v[5] ~= '' and '1' or ''
    found[#found + 1] = { id, v[1] or '', v[2] or '0', v[3] or '', v[4] or '', suspect }
  end
  return found
end)
