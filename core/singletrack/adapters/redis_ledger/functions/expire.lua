-- expire: take a lease away that the sweeper has watched without change for longer than a lease.
-- With on_lost = Hold a run whose code has started keeps its lock, which becomes suspect.
-- ARGV  id, nonce, lease_seq
-- reply verdict, state
register('expire', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not leased_by(r, args[2]) or r.lease_seq ~= args[3] then
    return { 'DROP', r and r.state or '' }
  end
  if not is_blessed() then return { 'RECOVERING', r.state } end
  if r.suspect_at ~= '' then return { 'OK', r.state } end
  count('leases_expired_total')
  if r.state == 'CLAIMED' then
    hand_back(r)
  elseif r.on_lost == 'Hold' then
    change(r, 'suspect_at', now())
    count('locks_suspect')
    emit(r)
  else
    break_off(r, 'LOST', 'WorkerLost', 'the lease of the worker ended without a word from it')
  end
  return { 'OK', r.state }
end)
