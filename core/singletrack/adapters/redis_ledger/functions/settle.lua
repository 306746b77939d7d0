-- settle: while unblessed, give a record the end that its TaskRun has already shown.
-- ARGV  id, then the outcome (see `note_outcome`)
-- reply verdict, state
register('settle', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  if r.state == args[2] and r.provisional == '' then return { 'OK', r.state } end
  local open = TRANSITIONS[r.state] or r.provisional ~= ''
  if is_blessed() or not open then return { 'DROP', r.state } end
  conclude(r, args, 2)
  return { 'OK', r.state }
end)
