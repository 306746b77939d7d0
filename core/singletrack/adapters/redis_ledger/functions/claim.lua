-- claim: take a READY run that owns its lock for one worker, with a new, higher token.
-- ARGV  id, nonce, worker, its Pod ('' for none)
-- reply verdict, state, then the grant when OK
register('claim', {}, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  if r.state == 'CLAIMED' and r.nonce == args[2] then return describe_grant(r) end
  if not is_blessed() then return { 'RECOVERING', r.state } end
  if r.state == 'READY' and is_paused('queue', r.queue) then return { 'DROP', r.state } end
  if not may_claim(r) then
    count('claims_refused_total')
    return { 'DROP', r.state }
  end
  grant(r, { nonce = args[2], worker = args[3], pod = args[4] }, 'CLAIMED')
  return describe_grant(r)
end)
