-- cancel: ask a run to stop. Only a run nobody has claimed ends here; a claimed one keeps its lock
-- until its agent has seen the process tree dead. Of several wishes the first names who and why, and
-- the shortest grace counts.
-- ARGV  id, by, reason, grace in ms
-- reply verdict, state
register('cancel', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  local first = r.cancel_by == ''
  local harder = first or tonumber(args[4]) < number(r, 'cancel_grace_ms')
  if not TRANSITIONS[r.state] or not harder then return { 'OK', r.state } end
  if first then change(r, 'cancel_by', args[2], 'cancel_reason', args[3]) end
  change(r, 'cancel_grace_ms', args[4])
  if r.state == 'QUEUED' or r.state == 'READY' then
    end_cancelled(r)
  else
    emit(r)
    redis.call('PUBLISH', P .. 'wake', r.id)
  end
  return { 'OK', r.state }
end)
