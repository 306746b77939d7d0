-- What the journal of counting.lua adds to the counters: `singletrack.metrics.counters` tells which field
-- is what. Entries that differ only in their numbers are looked into once.

local ENTRY = '([^\254]*)\254(%d*)\254(%d*)\254(%d*)\255'
local WORDS = '^([^\255]*)\255([^\255]*)\255([^\255]*)\255([^\255]*)\255([^\255]*)$'

-- The names that are labels, each with the number above which runs are counted by it.
local function read_labels()
  local flat, since = redis.call('HGETALL', P .. 'labels'), {}
  for i = 1, #flat, 2 do since[flat[i]] = tonumber(flat[i + 1]) end
  return since
end

-- The name under which a run with this number is counted.
local function label_of(since, kind, name, sequence)
  return sequence > (since[kind .. '=' .. name] or 1e300) and name or 'other'
end

-- Values in milliseconds: how many are in each of the histogram's buckets, and their sum.
local function observe(cell, name, ms)
  local buckets, i = BUCKETS[name], 1
  while ms > buckets[i][1] do i = i + 1 end
  cell[i] = (cell[i] or 0) + 1
  cell.ms = cell.ms + math.max(ms, 0)
end

local function add_observed(add, cell, name, bucket_labels, sum_labels)
  for i, bucket in ipairs(BUCKETS[name]) do
    if cell[i] then add(name .. '_bucket|' .. bucket_labels .. bucket[2], cell[i]) end
  end
  add(name .. '_sum|' .. sum_labels, cell.ms)
end

-- How long attempts were executed; `how` they ended is an outcome, or `retried`.
local function add_attempts(add, cell, task, how)
  local result = how == 'succeeded' and '|result=ok' or '|result=error'
  add_observed(add, cell, 'run_duration_seconds', task .. '|outcome=' .. how, task .. result)
end

local function add_ends(add, cell, task, from, to, reason)
  local how = string.lower(to)
  if from == 'RUNNING' then
    add_attempts(add, cell, task, how)
  else
    add('runs_finished_total|' .. task .. '|outcome=' .. how, cell.times)
  end
  if reason ~= '' then add('run_failures_total|' .. task .. '|reason=' .. reason, cell.times) end
end

-- All changes of one kind, of runs of one task and queue. Runs that workers have are few, and read off
-- when somebody asks.
local function add_cell(add, cell)
  local from, to, what = cell.from, cell.to, cell.what
  local task, queue = 'task=' .. cell.task, 'runs|queue=' .. cell.queue .. '|state='
  if WAITING[from] then add(queue .. from, -cell.times) end
  if WAITING[to] then add(queue .. to, cell.times) end
  if not TRANSITIONS[from] then add('runs_submitted_total|' .. task .. '|door=' .. from, cell.times) end
  if to == 'RUNNING' then
    add_observed(add, cell, 'run_wait_seconds', task, task)
  elseif to == '' and what ~= '' then
    add('retries_total|' .. task .. '|cause=' .. what, cell.times)
    add_attempts(add, cell, task, 'retried')
  elseif not TRANSITIONS[to] then
    add_ends(add, cell, task, from, to, what)
  end
end

-- What all entries of one kind have in common, and above which numbers its names are labels.
local function read_words(words, since)
  local from, to, what, task, queue = string.match(words, WORDS)
  return {
    from = from, to = to, what = what, task = task, queue = queue,
    task_since = since['task=' .. task] or 1e300,
    queue_since = since['queue=' .. queue] or 1e300,
    histogram = to == 'RUNNING' and 'run_wait_seconds' or 'run_duration_seconds',
  }
end

local function cell_of(kind, by_task, by_queue)
  return {
    from = kind.from, to = kind.to, what = kind.what, times = 0, ms = 0,
    task = by_task and kind.task or 'other', queue = by_queue and kind.queue or 'other',
  }
end

-- What is to be added to which field, from the journal.
local function tally(journal)
  local since, kinds, cells, sums = read_labels(), {}, {}, {}
  for words, sequence, began, ended in string.gmatch(journal, ENTRY) do
    local kind = kinds[words] or read_words(words, since)
    kinds[words] = kind
    local number = tonumber(sequence)
    local by_task, by_queue = number > kind.task_since, number > kind.queue_since
    local place = (by_task and 1 or 0) + (by_queue and 2 or 0)
    local cell = kind[place]
    if not cell then
      cell = cell_of(kind, by_task, by_queue)
      kind[place], cells[#cells + 1] = cell, cell
    end
    cell.times = cell.times + 1
    if began ~= '' then observe(cell, kind.histogram, ended - began) end
  end
  local function add(field, by) sums[field] = (sums[field] or 0) + by end
  for _, cell in ipairs(cells) do add_cell(add, cell) end
  return sums
end

add_up = function()
  local journal = redis.call('GET', P .. 'counted')
  if not journal then return 0 end
  for field, by in pairs(tally(journal)) do
    redis.call('HINCRBY', P .. 'counters', field, int(by))
  end
  redis.call('DEL', P .. 'counted')
  return #journal
end
