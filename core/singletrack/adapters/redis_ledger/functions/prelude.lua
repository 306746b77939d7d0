-- What every function of the library shares. One transition function, `move`, keeps the indexes, the
-- locks, the outbox and the metrics in step with a run's state, so no operation can forget one.
--
-- Keys, all under one prefix with one hash tag (P, e.g. "{st}:"):
--   meta            hash    blessed, blessed_at, token, sequence, changes, fsync, past
--   run:<id>        hash    the record
--   lock:<key>      hash    owner, token; exists only while the lock is owned
--   wait:<key>      zset    the waiting list, score = sequence - priority * point
--   waiting         set     lock keys whose waiting list is not empty
--   due             zset    READY runs -> when to look at publishing again (the outbox)
--   paused          hash    lock:<key> or queue:<name> -> since, by, reason as JSON
--   parked:<queue>  zset    READY runs of a paused queue -> since when; they are not due
--   leased          set     CLAIMED and RUNNING runs
--   provisional     set     runs that are LOST until the blessing, or until their own agent speaks
--   joined:<id>     hash    producers' runs that joined this one -> how long their results are kept
--   deadlines       zset    QUEUED and READY runs -> when waiting is over
--   finished        zset    terminal runs -> when to forget them
--   unprojected     zset    runs with a TaskRun that does not show them as they are -> order of change
--   runs:<ns>       zset    every record of a namespace -> sequence
--   namespaces      set     namespaces that have records
--   latest          hash    namespace -> the last run accepted at the REST door
--   tasks           hash    the catalogue
--   agents          hash    lease agent -> server identity to which it has told everything it knows
--   metrics         hash    counters and gauges
--   changes         stream  hints for watchers, never the truth
-- Times are milliseconds; tokens and sequence numbers are microseconds or the last one plus one.
-- TRANSITIONS, OWNING, BUCKETS and CELERY are written above this file when the library is assembled.

local P = ''
local REPUBLISH_MS, REPUBLISH_MAX_MS, FRUITLESS_CLAIMS = 13000, 3600000, 20

local function int(n) return string.format('%.0f', n) end -- tostring() would say 1.7e+15

local function micros()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function now() return math.floor(micros() / 1000) end

-- The next token or sequence number: the clock, but always more than the last one.
local function next_number(name)
  local last = tonumber(redis.call('HGET', P .. 'meta', name) or '0')
  local following = math.max(last + 1, micros())
  redis.call('HSET', P .. 'meta', name, int(following))
  return following
end

-- The identity of this server's process, '' where it hides it: nobody can bless that one. A library
-- keeps it as long as the process lives; asking costs a tenth of a whole start.
local identity
local function server_id()
  identity = identity or string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
  return identity
end
local function is_blessed()
  return server_id() ~= '' and redis.call('HGET', P .. 'meta', 'blessed') == server_id()
end

-- --- records ------------------------------------------------------------------------------------

local CORE = {
  'state', 'revision', 'sequence', 'fingerprint', 'task', 'namespace', 'name', 'door', 'lock',
  'policy', 'max_queue', 'priority', 'point_ms', 'queue', 'push', 'timeout_ms', 'soft_timeout_ms',
  'start_deadline_ms', 'queue_timeout_ms', 'ttl_ms', 'attempt', 'claims', 'publications', 'nonce',
  'token', 'lease_seq', 'cancel_by', 'cancel_reason', 'cancel_grace_ms', 'submitted_at', 'ready_at',
  'started_at', 'on_lost', 'suspect_at', 'provisional', 'retry', 'not_before', 'retried',
  'tells_celery', 'deleted',
}

-- The record's small fields, missing ones as ''; nil when there is no record.
local function fetch(id)
  local values = redis.call('HMGET', P .. 'run:' .. id, unpack(CORE))
  if not values[1] then return nil end
  local r = { id = id, unsaved = {} }
  for i, field in ipairs(CORE) do r[field] = values[i] or '' end
  return r
end

-- A record that does not exist yet, from name, value pairs starting at `first`.
local function blank(id, pairs, first)
  local r = { id = id, unsaved = {} }
  for _, field in ipairs(CORE) do r[field] = '' end
  for i = first, #pairs, 2 do
    r[pairs[i]] = pairs[i + 1]
    r.unsaved[#r.unsaved + 1] = pairs[i]
    r.unsaved[#r.unsaved + 1] = pairs[i + 1]
  end
  return r
end

local function number(r, field) return tonumber(r[field]) or 0 end

-- Set fields given as name, value, name, value…, numbers as integers; `save` writes them. An
-- operation writes each record once: every command more is one more in the append-only file.
local function change(r, ...)
  local fields = { ... }
  for i = 1, #fields, 2 do
    local value = fields[i + 1]
    if type(value) == 'number' then value = int(value) end
    r[fields[i]] = value
    r.unsaved[#r.unsaved + 1] = fields[i]
    r.unsaved[#r.unsaved + 1] = value
  end
end

local function save(r)
  if #r.unsaved > 0 then redis.call('HSET', P .. 'run:' .. r.id, unpack(r.unsaved)) end
  r.unsaved = {}
end

local hide -- deleting.lua

local function emit(r)
  change(r, 'revision', number(r, 'revision') + 1)
  save(r)
  redis.call('XADD', P .. 'changes', 'MAXLEN', '~', 10000, '*', 'run', r.id, 'state', r.state)
  if r.name ~= '' then
    local order = redis.call('HINCRBY', P .. 'meta', 'changes', 1)
    redis.call('ZADD', P .. 'unprojected', order, r.id)
  end
  if r.deleted ~= '' then hide(r) end
end

-- Have a new record found by its namespace.
local function list(r, sequence)
  redis.call('ZADD', P .. 'runs:' .. r.namespace, int(sequence), r.id)
  redis.call('SADD', P .. 'namespaces', r.namespace)
end

-- --- metrics ------------------------------------------------------------------------------------

local function count(field, by) redis.call('HINCRBY', P .. 'metrics', field, by or 1) end

local function known_task(r)
  return redis.call('HEXISTS', P .. 'tasks', r.task) == 1 and r.task or 'other'
end

-- `name` and `labels` ("|task=x") of a histogram declared in BUCKETS; value in milliseconds.
local function observe(name, labels, ms)
  local seconds = ms / 1000
  for _, bound in ipairs(BUCKETS[name]) do
    if seconds <= bound then
      count(name .. '_bucket' .. labels .. '|le=' .. bound)
      break
    end
  end
  count(name .. '_count' .. labels)
  redis.call('HINCRBYFLOAT', P .. 'metrics', name .. '_sum' .. labels, string.format('%.3f', seconds))
end

local function measure(r, to, at)
  if r.state ~= '' then count('runs|state=' .. r.state, -1) end
  if to == 'RUNNING' and number(r, 'attempt') == 0 then
    observe('run_wait_seconds', '|task=' .. known_task(r), at - number(r, 'submitted_at'))
  end
  if TRANSITIONS[to] then
    count('runs|state=' .. to)
    return
  end
  local task = '|task=' .. known_task(r)
  count('runs_finished_total' .. task .. '|outcome=' .. string.lower(to))
  if r.state == 'RUNNING' then
    local result = to == 'SUCCEEDED' and 'ok' or 'error'
    observe('run_duration_seconds', task .. '|result=' .. result, at - number(r, 'started_at'))
  end
end

-- --- the transition function ----------------------------------------------------------------------

local move -- below; release and promote call it
local is_paused, park -- pausing.lua
local tell_celery -- telling.lua
local submit_run -- submit.lua

-- A waiting run's place in line: the moment it came, earlier by what its priority is worth.
local function score_of(r)
  return number(r, 'sequence') - number(r, 'priority') * number(r, 'point_ms') * 1000
end

local function lock_key(name) return P .. 'lock:' .. name end

local function promote(lock)
  if redis.call('HEXISTS', lock_key(lock), 'owner') == 1 then return false end
  if is_paused('lock', lock) then return false end
  local list = P .. 'wait:' .. lock
  local first = redis.call('ZRANGE', list, 0, 0)[1]
  local r = first and fetch(first)
  while first and not r do -- the server has lost this record
    redis.call('ZREM', list, first)
    first = redis.call('ZRANGE', list, 0, 0)[1]
    r = first and fetch(first)
  end
  if not r then return false end
  move(r, 'READY')
  return true
end

local function release(r)
  if redis.call('HGET', lock_key(r.lock), 'owner') ~= r.id then return end
  redis.call('DEL', lock_key(r.lock))
  promote(r.lock)
end

local function leave(r)
  if r.state == 'QUEUED' then
    local list = P .. 'wait:' .. r.lock
    redis.call('ZREM', list, r.id)
    if redis.call('EXISTS', list) == 0 then redis.call('SREM', P .. 'waiting', r.lock) end
  elseif r.state == 'READY' then
    local was_due = redis.call('ZREM', P .. 'due', r.id) == 1
    if not was_due then redis.call('ZREM', P .. 'parked:' .. r.queue, r.id) end
  elseif r.state == 'CLAIMED' or r.state == 'RUNNING' then
    redis.call('SREM', P .. 'leased', r.id)
    if r.suspect_at ~= '' then count('locks_suspect', -1) end
    return
  end
  redis.call('ZREM', P .. 'deadlines', r.id)
end

-- From when on a READY run may be started: at once, or after the pause before another attempt.
local function opens_at(r, at) return math.max(at, number(r, 'not_before')) end

local function limit(r, field, at)
  if r[field] ~= '' then redis.call('ZADD', P .. 'deadlines', int(at + r[field]), r.id) end
end

-- A queue whose key has become something else is left alone: the outbox tries again.
local function push(r)
  local envelope = r.envelope or redis.call('HGET', P .. 'run:' .. r.id, 'envelope')
  local kind = redis.call('TYPE', r.queue).ok
  if kind == 'list' or kind == 'none' then redis.call('LPUSH', r.queue, envelope) end
end

local enter = {
  QUEUED = function(r, at)
    local list = P .. 'wait:' .. r.lock
    local score = score_of(r)
    if r.at_head then
      local first = redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')
      score = first[2] and tonumber(first[2]) - 1 or score
    end
    redis.call('ZADD', list, int(score), r.id)
    redis.call('SADD', P .. 'waiting', r.lock)
    if number(r, 'attempt') == 0 then limit(r, 'queue_timeout_ms', at) end
  end,
  READY = function(r, at)
    redis.call('HSET', lock_key(r.lock), 'owner', r.id)
    local opens = opens_at(r, at)
    local sent = r.push == '1' and opens == at
    change(r, 'ready_at', at, 'nonce', '', 'publications', sent and 1 or 0, 'suspect_at', '')
    if is_paused('queue', r.queue) then return park(r, at) end
    limit(r, 'start_deadline_ms', opens)
    if sent then push(r) end
    redis.call('ZADD', P .. 'due', int(sent and at + REPUBLISH_MS or opens), r.id)
  end,
  CLAIMED = function(r, at)
    redis.call('SADD', P .. 'leased', r.id)
    redis.call('HSET', lock_key(r.lock), 'owner', r.id, 'token', r.token)
  end,
  RUNNING = function(r, at)
    redis.call('SADD', P .. 'leased', r.id)
    redis.call('HSET', lock_key(r.lock), 'owner', r.id, 'token', r.token)
    if r.ready_at == '' then change(r, 'ready_at', at) end
    if r.not_before ~= '' then change(r, 'not_before', '', 'progress', '') end
    change(r, 'started_at', at, 'attempt', number(r, 'attempt') + 1)
  end,
  TERMINAL = function(r, at)
    change(r, 'finished_at', at)
    if r.envelope then change(r, 'envelope', '') else redis.call('HDEL', P .. 'run:' .. r.id, 'envelope') end
    redis.call('ZADD', P .. 'finished', int(at + number(r, 'ttl_ms')), r.id)
    if r.provisional == '' then tell_celery(r) end
  end,
}

-- Move a run to another state. Everything that depends on the state happens here.
move = function(r, to)
  local from, at = r.state, now()
  if not (TRANSITIONS[from] and TRANSITIONS[from][to]) then
    error('a run cannot go from ' .. from .. ' to ' .. to)
  end
  leave(r)
  measure(r, to, at)
  change(r, 'state', to)
  local arrive = enter[to] or enter.TERMINAL
  arrive(r, at)
  emit(r)
  if OWNING[from] and not OWNING[to] then release(r) end
end

local function register(name, flags, body)
  redis.register_function {
    function_name = PREFIX .. name .. SUFFIX,
    flags = flags,
    callback = function(keys, args)
      P = string.match(keys[1], '^(.*)meta$')
      return body(args)
    end,
  }
end
