-- cancel: ask a run to stop (see `ask_to_stop`).
-- ARGV  id, by, reason, grace in ms
-- reply verdict, state
register('cancel', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  if TRANSITIONS[r.state] then ask_to_stop(r, args[2], args[3], args[4]) end
  return { 'OK', r.state }
end)
