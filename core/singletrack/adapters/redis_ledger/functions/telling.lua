-- Celery's own result keys, for clients that know nothing else: `singletrack.celery_results`, said
-- again for the server. They lie outside the prefix, because that is where those clients look.

-- How Celery writes a time, from milliseconds.
local function iso_time(ms)
  local second = math.floor(ms / 1000)
  local days = math.floor(second / 86400) + 719468 -- since the first of March of the year 0
  local era = math.floor(days / 146097)
  local of_era = days % 146097
  local leaps = math.floor(of_era / 1460) - math.floor(of_era / 36524) + math.floor(of_era / 146096)
  local year = math.floor((of_era - leaps) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  local clock = string.format('%02d:%02d:%02d.%03d000', math.floor(second / 3600) % 24,
    math.floor(second / 60) % 60, second % 60, ms % 1000)
  return string.format('%04d-%02d-%02dT%s+00:00', year, month, day, clock)
end

local function error_text(r)
  local module, name = string.match(r.failure_type or '', '^(.*)%.([^.]*)$')
  if not name and r.failure_type and r.failure_type ~= '' then
    module, name = 'builtins', r.failure_type
  elseif not name and CELERY[r.state].error then
    module, name = 'celery.exceptions', CELERY[r.state].error
  end
  return string.format('{"exc_type": %s, "exc_message": [%s], "exc_module": %s}',
    cjson.encode(name or r.failure_reason), cjson.encode(r.failure_message or ''),
    cjson.encode(module or 'singletrack'))
end

-- The end of `r` as the end of the run `id`. The result is a JSON text already, and stays as it is.
local function result_text(r, id)
  local failed = (r.failure_reason or '') ~= ''
  local traceback = failed and r.traceback or ''
  return table.concat {
    '{"task_id": ', cjson.encode(id), ', "status": "', CELERY[r.state].status,
    '", "result": ', failed and error_text(r) or r.result or 'null',
    ', "traceback": ', traceback ~= '' and cjson.encode(traceback) or 'null',
    ', "children": [], "date_done": "', iso_time(number(r, 'finished_at')), '"}',
  }
end

local function tell(r, id, ttl_ms)
  local name, text = 'celery-task-meta-' .. id, result_text(r, id)
  redis.call('SET', name, text, 'PX', int(math.max(tonumber(ttl_ms) or 0, 1000)))
  redis.call('PUBLISH', name, text)
end

-- Write the end of a producer's run, and of those that joined a run with it, where Celery's clients
-- wait for it.
tell_celery = function(r)
  if r.state == 'JOINED' then
    if r.tells_celery == '1' then
      redis.call('HSET', P .. 'joined:' .. r.holder_id, r.id, r.ttl_ms)
    end
    return
  end
  if r.tells_celery == '1' then tell(r, r.id, r.ttl_ms) end
  local joined = redis.call('HGETALL', P .. 'joined:' .. r.id)
  for i = 1, #joined, 2 do tell(r, joined[i], joined[i + 1]) end
  if joined[1] then redis.call('DEL', P .. 'joined:' .. r.id) end
end
