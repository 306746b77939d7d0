-- The metrics, counted by the function that changes the state, so that they cannot miss a change.

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
