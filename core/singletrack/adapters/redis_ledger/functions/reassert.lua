-- reassert: while unblessed, an agent restores what the server has forgotten of a run it started: that
-- it is being executed, or how it ended.
-- ARGV  id, nonce, token, attempt, worker, its Pod, fingerprint, lock, policy, push, the outcome (see
--       `note_outcome`; its state is '' while the run lives), then the record's fields
-- reply verdict, state

local OUTCOME, FIELDS = 11, 21

local function blank_record(id, args)
  local r = blank(id, args, FIELDS)
  local sequence = next_number('sequence')
  change(r, 'sequence', sequence, 'submitted_at', now(), 'started_at', now(),
    'fingerprint', args[7], 'lock', args[8], 'policy', args[9], 'push', args[10])
  list(r, sequence)
  return r
end

local function claim_as(r, args)
  change(r, 'nonce', args[2], 'token', args[3], 'attempt', args[4])
  note_worker(r, args[5], args[6])
end

-- Take the lock from a run that got it in a past the server now knows to be over. One that may have
-- started is LOST provisionally: its own agent, or its own child, may know better until the blessing.
local function displace(other, id)
  redis.call('DEL', lock_key(other.lock))
  if other.state == 'READY' then
    other.at_head = true
    correct(other, 'QUEUED')
    enter.QUEUED(other, now())
  else
    correct(other, 'LOST')
    forget_failure(other)
    change(other, 'provisional', '1', 'failure_reason', 'WorkerLost',
      'failure_message', 'run ' .. id .. ' had taken the lock before the restart')
    redis.call('SADD', P .. 'provisional', other.id)
    enter.TERMINAL(other, now())
  end
  emit(other)
end

local function other_owner(lock, id)
  local owner = redis.call('HGET', lock_key(lock), 'owner')
  return owner and owner ~= id and fetch(owner) or nil
end

local function is_newer(r, token)
  local leased = r and (r.state == 'CLAIMED' or r.state == 'RUNNING')
  return leased and number(r, 'token') > tonumber(token)
end

-- Whether an open record knows more of the run than an agent that tells of this claim.
local function is_past(r, args) return number(r, 'attempt') > tonumber(args[4]) end

-- Whether the attempt has failed in the record as well, and its run waits for the next one.
local function awaits_another(r, args)
  local same = number(r, 'attempt') == tonumber(args[4]) and r.nonce ~= args[2]
  return same and r.retried ~= '' and CAUSES[args[OUTCOME]]
end

local function end_it(r, args)
  local known = r ~= nil
  local open = known and TRANSITIONS[r.state]
  if open and is_newer(r, args[3]) then return { 'DROP', r.state } end
  if open and awaits_another(r, args) then return { 'OK', r.state } end
  if known and is_past(r, args) then return { 'DROP', r.state } end
  if leased_by(r, args[2]) and r.state == 'RUNNING' then
    note_outcome(r, args, OUTCOME)
    end_attempt(r, args[OUTCOME], args[OUTCOME + 3], args[OUTCOME + 9])
    return { 'OK', r.state }
  end
  r = r or blank_record(args[1], args)
  claim_as(r, args)
  if known and r.started_at == '' then change(r, 'started_at', now()) end
  conclude(r, args, OUTCOME)
  return { 'OK', r.state }
end

local function revive(r, args)
  if not r then
    r = blank_record(args[1], args)
  elseif r.provisional ~= '' then
    redis.call('HDEL', P .. 'run:' .. r.id, 'failure_reason', 'failure_message', 'finished_at')
    redis.call('ZREM', P .. 'finished', r.id)
    redis.call('SREM', P .. 'provisional', r.id)
    change(r, 'provisional', '')
  elseif r.state ~= 'RUNNING' then
    correct(r, 'RUNNING')
    change(r, 'started_at', now())
  end
  claim_as(r, args)
  forget_failure(r)
  if r.suspect_at ~= '' then
    count('locks_suspect', '-1')
    change(r, 'suspect_at', '')
  end
  change(r, 'state', 'RUNNING', 'lease_seq', 1, 'not_before', '')
  redis.call('HSET', lock_key(r.lock), 'owner', r.id, 'token', args[3])
  redis.call('SADD', P .. 'leased', r.id)
  emit(r)
  return { 'OK', r.state }
end

register('reassert', {}, function(args)
  local id = args[1]
  raise_token(args[3])
  local r = fetch(id)
  local over = r and not TRANSITIONS[r.state] and r.provisional == ''
  if over and args[OUTCOME] == r.state and r.nonce == args[2] then return { 'OK', r.state } end
  if is_blessed() or over then return { 'DROP', r and r.state or '' } end
  if args[OUTCOME] ~= '' then return end_it(r, args) end
  local other = other_owner(r and r.lock or args[8], id)
  if is_newer(other, args[3]) or is_newer(r, args[3]) or (r and is_past(r, args)) then
    return { 'DROP', r and r.state or '' }
  end
  if other then displace(other, id) end
  return revive(r, args)
end)
