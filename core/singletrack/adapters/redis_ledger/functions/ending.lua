-- What the functions share that end a run, or write down what has happened elsewhere: how a run
-- ended, or that the server's past was another one.

-- End a run that did not succeed: the reason is one stable word, the message a sentence.
local function fail(r, to, reason, message)
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

-- Note an outcome as clients write it: state, '1' if there is a result, the result, then the
-- failure's reason, message, type and traceback.
local function note_outcome(r, args, first)
  if args[first + 1] == '1' then change(r, 'result', args[first + 2]) end
  if args[first + 3] ~= '' then
    change(r, 'failure_reason', args[first + 3], 'failure_message', args[first + 4],
      'failure_type', args[first + 5], 'traceback', args[first + 6])
  end
end

local function count_end(r, outcome)
  count('runs_finished_total|task=' .. known_task(r) .. '|outcome=' .. string.lower(outcome))
end

-- The token of the next claim will be higher than this one.
local function raise_token(token)
  local last = tonumber(redis.call('HGET', P .. 'meta', 'token') or '0')
  if tonumber(token) > last then redis.call('HSET', P .. 'meta', 'token', token) end
end

-- Take a record out of a state that was true in a past the server now knows to be over.
local function correct(r, to)
  leave(r)
  count('runs|state=' .. r.state, -1)
  if TRANSITIONS[to] then count('runs|state=' .. to) end
  change(r, 'state', to)
end

-- Give a record the end its run has had, whatever the record says.
local function conclude(r, args, first)
  local from, to = r.state, args[first]
  redis.call('HDEL', P .. 'run:' .. r.id, 'failure_reason', 'failure_message', 'failure_type',
    'traceback', 'result', 'provisional')
  redis.call('SREM', P .. 'provisional', r.id)
  note_outcome(r, args, first)
  if from ~= '' and TRANSITIONS[from] then correct(r, to) else change(r, 'state', to) end
  count_end(r, to)
  enter.TERMINAL(r, now())
  emit(r)
  if OWNING[from] then release(r) end
end
