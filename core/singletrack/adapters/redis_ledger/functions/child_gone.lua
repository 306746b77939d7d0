-- child_gone: an agent's report that a child and all its descendants are dead.
-- ARGV  id, nonce, cause (DIED, OUT_OF_MEMORY, CANCELLED, TIMED_OUT, FENCED), message,
--       exit code, signal
-- reply verdict, state
register('child_gone', { 'allow-oom' }, function(args)
  local r, cause, message = fetch(args[1]), args[3], args[4]
  if not leased_by(r, args[2]) then
    local unsure = (not r or TRANSITIONS[r.state] or r.provisional ~= '') and not is_blessed()
    return { unsure and 'RECOVERING' or 'DROP', r and r.state or '' }
  end
  if r.state == 'CLAIMED' then
    hand_back(r)
  elseif cause == 'TIMED_OUT' then
    break_off(r, 'TIMED_OUT', 'Timeout', message)
  elseif cause == 'CANCELLED' or (cause ~= 'FENCED' and r.cancel_by ~= '') then
    end_cancelled(r)
  else
    lose(r, unpack(args, 3))
  end
  return { 'OK', r.state }
end)
