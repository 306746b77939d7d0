-- start: claim a run and begin it in one step, the last one before user code; a producer's run that
-- nobody has recorded yet is recorded first. A repeat writes again, because the durability that the
-- caller waits for covers only what its own connection has written.
-- ARGV  nonce, worker, its Pod ('' for none), then what submit takes; of a run that is recorded
--       already only its id
-- reply verdict, state, then the grant when OK

local function begun_by(claim)
  return function(r) grant(r, claim, 'RUNNING') end
end

local function begin_again(r)
  if not owns_its_lock(r) then return { 'DROP', r.state } end
  if not is_blessed() then return { 'RECOVERING', r.state } end
  if r.cancel_by ~= '' then
    if r.state == 'CLAIMED' then end_cancelled(r) end
    return { 'CANCEL', r.state }
  end
  if r.state == 'CLAIMED' then move(r, 'RUNNING') else emit(r) end
  return describe_grant(r)
end

local function start_new(id, claim, submission)
  local blessed = is_blessed()
  local r = submit_run(id, submission, blessed and begun_by(claim))
  if r.state == 'RUNNING' then return describe_grant(r) end
  return { blessed and 'DROP' or 'RECOVERING', r.state }
end

register('start', {}, function(args)
  local claim, id = { nonce = args[1], worker = args[2], pod = args[3] }, args[4]
  local r, submission = fetch(id), { unpack(args, 4) }
  if not r and not submission[2] then return { 'UNKNOWN', '' } end
  if not r then return start_new(id, claim, submission) end
  if submission[2] and submission[2] ~= r.fingerprint then return { 'CONFLICT', r.state } end
  if leased_by(r, claim.nonce) then return begin_again(r) end
  if not is_blessed() then return { 'RECOVERING', r.state } end
  if r.state == 'READY' and is_paused('queue', r.queue) then return { 'DROP', r.state } end
  if not may_claim(r) then
    count('claims_refused_total')
    return { 'DROP', r.state }
  end
  grant(r, claim, 'RUNNING')
  return describe_grant(r)
end)
