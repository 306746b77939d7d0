-- finish: end a claimed run, free its lock and let the next one in.
-- ARGV  id, nonce, then the outcome (see `note_outcome`)
-- reply verdict, state

-- Somebody who does not hold the claim, as far as the record knows.
local function answer_stranger(r, nonce, state)
  local repeated = (r.nonce == nonce and r.state == state) or r.retried == nonce .. ' ' .. state
  if repeated then return { 'OK', r.state } end
  local unsure = (TRANSITIONS[r.state] or r.provisional ~= '') and not is_blessed()
  return { unsure and 'RECOVERING' or 'DROP', r.state }
end

register('finish', { 'allow-oom' }, function(args)
  local r, nonce, state = fetch(args[1]), args[2], args[3]
  if not r then return { is_blessed() and 'UNKNOWN' or 'RECOVERING', '' } end
  local displaced = r.provisional ~= '' and r.nonce == nonce
  if not displaced and not leased_by(r, nonce) then return answer_stranger(r, nonce, state) end
  if not TRANSITIONS[displaced and 'RUNNING' or r.state][state] then
    error('a run cannot go from ' .. r.state .. ' to ' .. state)
  end
  if displaced then
    conclude(r, args, 3)
  else
    note_outcome(r, args, 3)
    end_attempt(r, state, args[6], args[12])
  end
  return { 'OK', r.state }
end)
