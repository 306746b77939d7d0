-- not_started: hand a claimed run back; the caller knows that user code has not run.
-- ARGV  id, nonce
-- reply verdict, state
register('not_started', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not leased_by(r, args[2]) then return { 'DROP', r and r.state or '' } end
  if r.state == 'RUNNING' then change(r, 'attempt', number(r, 'attempt') - 1) end
  hand_back(r)
  return { 'OK', r.state }
end)
