-- The metrics, counted by the function that changes the state, so that they cannot miss a change. What
-- can be read off later is not counted: `singletrack.metrics.counters` tells which field is what.

local function count(field, by) redis.call('HINCRBY', P .. 'counters', field, by or '1') end

-- Whether runs of this task, or in this queue, are counted under its name.
local function find_labels(r)
  local known = redis.call('HMGET', P .. 'labels', 'task=' .. r.task, 'queue=' .. r.queue)
  if not known[1] then change(r, 'task_label', 'other') end
  if not known[2] then change(r, 'queue_label', 'other') end
end

local function task_of(r) return r.task_label == '' and r.task or r.task_label end
local function queue_of(r) return r.queue_label == '' and r.queue or r.queue_label end

-- Have a name be a label, while there are not too many.
local function add_label(kind, name)
  if redis.call('HEXISTS', P .. 'labels', kind .. '=' .. name) == 1 then return end
  local there = tonumber(redis.call('HGET', P .. 'labels', kind) or '0')
  if there >= LABEL_CAPS[kind] then return count('label_values_refused_total|label=' .. kind) end
  redis.call('HSET', P .. 'labels', kind .. '=' .. name, 1, kind, there + 1)
end

-- A value in milliseconds, in the histogram's bucket and in its sum.
local function observe(name, bucket_labels, sum_labels, ms)
  local buckets = BUCKETS[name]
  local i = 1
  while ms > buckets[i][1] do i = i + 1 end
  count(name .. '_bucket|' .. bucket_labels .. buckets[i][2])
  if ms > 0 then count(name .. '_sum|' .. sum_labels, ms) end
end

-- How long an attempt was executed; `how` it ended is an outcome, or `retried`.
local function count_attempt(r, how, at)
  local task = 'task=' .. task_of(r)
  local result = how == 'succeeded' and '|result=ok' or '|result=error'
  observe('run_duration_seconds', task .. '|outcome=' .. how, task .. result, at - number(r, 'started_at'))
end

local function count_failure(r, state)
  if not FAILURES[state] then return end
  local reason = REASONS[r.failure_reason or ''] and r.failure_reason or 'other'
  count('run_failures_total|task=' .. task_of(r) .. '|reason=' .. reason)
end

-- The end of a run that was not being executed.
local function count_end(r, state)
  count('runs_finished_total|task=' .. task_of(r) .. '|outcome=' .. string.lower(state))
  count_failure(r, state)
end

-- Runs that workers have are few, and read off when somebody asks.
local function count_waiting(r, state, by)
  if WAITING[state] then count('runs|queue=' .. queue_of(r) .. '|state=' .. state, by) end
end

local function measure(r, to, at)
  if r.state == 'RUNNING' and not TRANSITIONS[to] then
    count_attempt(r, string.lower(to), at)
    return count_failure(r, to)
  end
  count_waiting(r, r.state, '-1')
  if to == 'RUNNING' and number(r, 'attempt') == 0 and r.started_at == '' then -- not one handed back
    local task = 'task=' .. task_of(r)
    observe('run_wait_seconds', task, task, at - number(r, 'submitted_at'))
  end
  if TRANSITIONS[to] then return count_waiting(r, to) end
  count_end(r, to)
end
