-- Giving a run to a worker's claim. Shared by the operations on claims.

local function leased_by(r, nonce)
  return r and r.nonce == nonce and (r.state == 'CLAIMED' or r.state == 'RUNNING')
end

-- Whose claim it is. Where that worker is matters only to a run that holds its lock.
local function note_worker(r, worker, pod)
  change(r, 'worker', worker)
  if r.on_lost == 'Hold' then change(r, 'pod', pod) end
end

-- Give a run to a claim (nonce, worker, pod), in the state it goes to: CLAIMED, or RUNNING if it
-- begins at once.
local function grant(r, claim, state)
  note_worker(r, claim.worker, claim.pod)
  change(r, 'nonce', claim.nonce, 'token', next_number('token'), 'lease_seq', 1,
    'claims', number(r, 'claims') + 1)
  move(r, state)
end

local function describe_grant(r)
  local attempt = number(r, 'attempt') + (r.state == 'CLAIMED' and 1 or 0)
  return { 'OK', r.state, r.nonce, r.token, r.lock, int(attempt), r.timeout_ms, r.soft_timeout_ms,
    r.door }
end

-- Whether the lock is still this run's: a server that evicts may have lost that, and given it away.
local function owns_its_lock(r)
  return redis.call('HGET', lock_key(r.lock), 'owner') == r.id
end

local function may_claim(r)
  return r.state == 'READY' and opens_at(r, 0) <= now() and owns_its_lock(r)
end
