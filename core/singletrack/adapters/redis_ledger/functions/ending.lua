-- What the functions share that end a run, or write down what has happened elsewhere: how a run
-- ended, or that the server's past was another one.

-- What a record says of why a run, or an attempt, did not succeed.
local FAILURE = { 'failure_reason', 'failure_message', 'failure_type', 'traceback', 'exit_code',
  'exit_signal' }

-- What a record says of an attempt that failed before the one that is over now.
local function forget_failure(r)
  if r.retried ~= '' then redis.call('HDEL', P .. 'run:' .. r.id, unpack(FAILURE)) end
end

-- How the process ended: with a code or by a signal, '' for what is not known.
local function note_exit(r, code, signal)
  if code ~= '' then change(r, 'exit_code', code) end
  if signal ~= '' then change(r, 'exit_signal', signal) end
end

-- End a run that did not succeed: the reason is one stable word, the message a sentence.
local function fail(r, to, reason, message)
  forget_failure(r)
  change(r, 'failure_reason', reason, 'failure_message', message or '')
  move(r, to)
end

local function end_cancelled(r)
  fail(r, 'CANCELLED', 'Cancelled', r.cancel_reason)
end

-- A claimed run that never started goes back to the outbox, is cancelled, or has been tried enough.
local function hand_back(r)
  if r.cancel_by ~= '' then
    end_cancelled(r)
  elseif number(r, 'claims') - number(r, 'attempt') > FRUITLESS_CLAIMS then
    fail(r, 'FAILED', 'StartFailed', 'claimed ' .. r.claims .. ' times and never started')
  else
    move(r, 'READY')
  end
end

-- A run that has to give its place to a newer one, and is not being executed.
local function set_aside(r, reason, message)
  if number(r, 'attempt') == 0 then return fail(r, 'SUPERSEDED', reason, message) end
  change(r, 'cancel_by', string.lower(reason), 'cancel_reason', message, 'cancel_grace_ms', 30000)
  end_cancelled(r)
end

-- Note an outcome as clients write it: state, '1' if there is a result, the result, then the
-- failure's reason, message, type and traceback, then the exit code and the signal that ended the
-- process, then after how many ms the task's code wants to be tried again; '' for none.
local function note_outcome(r, args, first)
  forget_failure(r)
  if args[first + 1] == '1' then change(r, 'result', args[first + 2]) end
  if args[first + 3] ~= '' then
    change(r, 'failure_reason', args[first + 3], 'failure_message', args[first + 4],
      'failure_type', args[first + 5], 'traceback', args[first + 6])
    note_exit(r, args[first + 7], args[first + 8])
  end
end

-- --- another attempt: `singletrack.retries`, said again for the server ------------------------------

local CAUSES = { FAILED = 'Error', TIMED_OUT = 'Timeout', LOST = 'WorkerLost' }

local function backoff_ms(r, initial, most)
  local attempt = number(r, 'attempt')
  local ceiling = math.min(tonumber(most), tonumber(initial) * 2 ^ math.min(attempt - 1, 30))
  local drawn = tonumber(string.sub(redis.sha1hex(r.id .. '/' .. int(attempt)), 1, 8), 16)
  return math.floor(ceiling * drawn / 2 ^ 32)
end

-- Why and after how many ms another attempt follows; nil if none does. A run without an envelope
-- could never be published again.
local function next_attempt(r, to, reason, asked_ms)
  if r.state ~= 'RUNNING' or r.cancel_by ~= '' then return nil end
  if redis.call('HSTRLEN', P .. 'run:' .. r.id, 'envelope') == 0 then return nil end
  if asked_ms and asked_ms ~= '' then return 'Requested', tonumber(asked_ms) end
  local cause = reason == 'Interrupted' and reason or CAUSES[to]
  local most, initial, longest, causes = string.match(r.retry, '^(%d+) (%d+) (%d+) (%S*)$')
  if not cause or not most or number(r, 'attempt') > tonumber(most) then return nil end
  if not string.find(',' .. causes .. ',', ',' .. cause .. ',', 1, true) then return nil end
  return cause, backoff_ms(r, initial, longest)
end

-- End an attempt whose failure, if there is one, is noted: with its run, unless another follows,
-- for which the run keeps its lock.
local function end_attempt(r, to, reason, asked_ms)
  local cause, pause_ms = next_attempt(r, to, reason, asked_ms)
  if not cause then return move(r, to) end
  local at = now()
  count_retry(r, cause, at)
  change(r, 'not_before', at + pause_ms, 'retried', r.nonce .. ' ' .. to)
  move(r, 'READY')
end

-- An attempt that its own code did not end.
local function break_off(r, to, reason, message)
  forget_failure(r)
  change(r, 'failure_reason', reason, 'failure_message', message or '')
  end_attempt(r, to, reason)
end

-- An attempt whose process has died, or was killed: the message, the exit code, the signal.
local function lose(r, cause, message, code, signal)
  note_exit(r, code, signal)
  break_off(r, 'LOST', cause == 'OUT_OF_MEMORY' and 'OOMKilled' or 'WorkerLost', message)
end

-- The token of the next claim will be higher than this one.
local function raise_token(token)
  local last = tonumber(redis.call('HGET', P .. 'meta', 'token') or '0')
  if tonumber(token) > last then redis.call('HSET', P .. 'meta', 'token', token) end
end

-- Take a record out of a state that was true in a past the server now knows to be over.
local function correct(r, to)
  leave(r)
  count_correction(r, to)
  change(r, 'state', to)
end

-- Give a record the end its run has had, whatever the record says.
local function conclude(r, args, first)
  local from, to = r.state, args[first]
  redis.call('HDEL', P .. 'run:' .. r.id, 'result', 'provisional', unpack(FAILURE))
  redis.call('SREM', P .. 'provisional', r.id)
  r.provisional = ''
  note_outcome(r, args, first)
  if from ~= '' and TRANSITIONS[from] then correct(r, to) else change(r, 'state', to) end
  count_end(r, to)
  enter.TERMINAL(r, now())
  emit(r)
  if OWNING[from] then release(r) end
end
