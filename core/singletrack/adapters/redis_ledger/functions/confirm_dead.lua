-- confirm_dead: end a claim whose process is known to be dead from outside, whatever its lease says.
-- ARGV  id, nonce, cause (DIED, OUT_OF_MEMORY), message, exit code, signal
-- reply verdict, state
register('confirm_dead', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not leased_by(r, args[2]) then return { 'DROP', r and r.state or '' } end
  if not is_blessed() then return { 'RECOVERING', r.state } end
  if r.state == 'CLAIMED' then hand_back(r) else lose(r, unpack(args, 3)) end
  return { 'OK', r.state }
end)
