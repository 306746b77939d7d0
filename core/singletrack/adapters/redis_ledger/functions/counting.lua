-- The metrics, counted by the function that changes the state, so that they cannot miss a change. What
-- can be read off later is not counted. A change is an entry in a journal, which costs one command;
-- which fields of the counters it adds to is found out by `adding_up.lua`, for many entries at once.

local JOURNAL_BYTES = 65536

local function count(field, by) redis.call('HINCRBY', P .. 'counters', field, by or '1') end

-- Have a name be a label for the runs to come, while there are not too many. Those that are there
-- already have no higher number than this, and are counted to their end as they were.
local function add_label(kind, name)
  if redis.call('HEXISTS', P .. 'labels', kind .. '=' .. name) == 1 then return end
  local there = tonumber(redis.call('HGET', P .. 'labels', kind) or '0')
  if there >= LABEL_CAPS[kind] then return count('label_values_refused_total|label=' .. kind) end
  local last = redis.call('HGET', P .. 'meta', 'sequence') or '0'
  redis.call('HSET', P .. 'labels', kind .. '=' .. name, last, kind, there + 1)
end

-- The name of the journal; it is looked for at every change, and made once for each ledger.
local journal, ledger

-- An entry: where a run came from (a state; of a new run its door; '' for neither), where it went to,
-- what there is to say of that, its task and queue, its sequence number, and from when to when something
-- took. Names are UTF-8, in which the bytes between these are not to be found. Without upkeep, whoever
-- makes the journal too long adds it up.
local function note(r, from, to, what, began, ended)
  if ledger ~= P then ledger, journal = P, P .. 'counted' end
  local length = redis.call('APPEND', journal, from .. '\255' .. to .. '\255' .. what .. '\255' .. r.task
    .. '\255' .. r.queue .. '\254' .. r.sequence .. '\254' .. began .. '\254' .. ended .. '\255')
  if length > JOURNAL_BYTES then add_up() end
end

local function reason_of(r) return REASONS[r.failure_reason or ''] and r.failure_reason or 'other' end

-- The end of a run that was not being executed.
local function count_end(r, to) note(r, '', to, FAILURES[to] and reason_of(r) or '', '', '') end

-- A run's state is corrected; only how many wait is counted.
local function count_correction(r, to)
  if WAITING[r.state] then note(r, r.state, '', '', '', '') end
  if WAITING[to] then note(r, '', to, '', '', '') end
end

-- An attempt that another one follows.
local function count_retry(r, cause, at) note(r, 'RUNNING', '', cause, r.started_at, int(at)) end

-- A move that has happened; `begun` is when the run had been started before it.
local function measure(r, from, to, begun)
  local what, began, ended = '', '', ''
  if from == 'RUNNING' and not TRANSITIONS[to] then
    began, ended = r.started_at, r.finished_at
  elseif to == 'RUNNING' and r.attempt == '1' and begun == '' then -- not one handed back
    began, ended = r.submitted_at, r.started_at
  end
  if FAILURES[to] then what = reason_of(r) end
  note(r, from == '' and r.door or from, to, what, began, ended)
end
