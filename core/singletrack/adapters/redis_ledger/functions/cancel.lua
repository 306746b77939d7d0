-- cancel: ask a run to stop. Only a run nobody has claimed ends here; a claimed one keeps its lock
-- until its agent has seen the process tree dead.
-- ARGV  id, by, reason, grace in ms
-- reply verdict, state
register('cancel', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  if not TRANSITIONS[r.state] or r.cancel_by ~= '' then return { 'OK', r.state } end
  change(r, 'cancel_by', args[2], 'cancel_reason', args[3], 'cancel_grace_ms', args[4])
  if r.state == 'QUEUED' or r.state == 'READY' then
    end_cancelled(r)
  else
    emit(r)
    redis.call('PUBLISH', P .. 'wake', r.id)
  end
  return { 'OK', r.state }
end)
