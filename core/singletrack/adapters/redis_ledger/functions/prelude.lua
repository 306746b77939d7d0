-- What every function of the library shares: the keys, the clock, the records.
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
--   counters        hash    what the metrics count
--   counted         string  the journal of what is to be added to the counters
--   labels          hash    task=<name> and queue=<name> -> runs with a higher sequence are counted by it;
--                           task, queue -> how many
--   changes         stream  hints for watchers, never the truth
-- Times are milliseconds; tokens and sequence numbers are microseconds or the last one plus one.
-- TRANSITIONS, OWNING, CELERY and the tables of counting.lua are written above this file when the library is assembled.

local P = ''
local REPUBLISH_MS, REPUBLISH_MAX_MS, FRUITLESS_CLAIMS = 13000, 3600000, 20

local function int(n) return string.format('%.0f', n) end -- tostring() would say 1.7e+15

-- The server's clock, which stands still while a function runs.
local clock
local function micros()
  if not clock then
    local t = redis.call('TIME')
    clock = t[1] * 1000000 + t[2]
  end
  return clock
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
local add_up -- adding_up.lua

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

local function register(name, flags, body)
  redis.register_function {
    function_name = PREFIX .. name .. SUFFIX,
    flags = flags,
    callback = function(keys, args)
      P, clock = string.match(keys[1], '^(.*)meta$'), nil
      return body(args)
    end,
  }
end
