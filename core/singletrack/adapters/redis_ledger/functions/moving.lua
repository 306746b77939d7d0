-- The one transition function, `move`, keeps the indexes, the locks, the outbox and the metrics in
-- step with a run's state, so no operation can forget one.

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
    if r.suspect_at ~= '' then count('locks_suspect', '-1') end
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
  local begun = r.started_at
  leave(r)
  change(r, 'state', to)
  local arrive = enter[to] or enter.TERMINAL
  arrive(r, at)
  measure(r, from, to, begun)
  emit(r)
  if OWNING[from] and not OWNING[to] then release(r) end
end
