-- What is left of a run that somebody has deleted. Its id stays used until the record is forgotten:
-- a message of the run may still come, and would be taken for a new one.

-- Have a record found by its id alone.
local function unlist(r)
  redis.call('ZREM', P .. 'runs:' .. r.namespace, r.id)
  if redis.call('EXISTS', P .. 'runs:' .. r.namespace) == 0 then
    redis.call('SREM', P .. 'namespaces', r.namespace)
  end
  if redis.call('HGET', P .. 'latest', r.namespace) == r.id then
    redis.call('HDEL', P .. 'latest', r.namespace)
  end
end

-- Take the record of a run that has ended for good out of sight, with all it says in words.
hide = function(r)
  if TRANSITIONS[r.state] or r.provisional ~= '' then return end
  redis.call('HDEL', P .. 'run:' .. r.id, 'args', 'kwargs', 'result', 'traceback', 'failure_message',
    'progress')
  unlist(r)
end

-- Ask a run that lives to stop. Only one nobody has claimed ends here; a claimed one keeps its lock
-- until its agent has seen the process tree dead. Of several wishes the first names who and why, and
-- the shortest grace counts.
local function ask_to_stop(r, by, reason, grace_ms)
  local first = r.cancel_by == ''
  if not first and tonumber(grace_ms) >= number(r, 'cancel_grace_ms') then return end
  if first then change(r, 'cancel_by', by, 'cancel_reason', reason) end
  change(r, 'cancel_grace_ms', grace_ms)
  if r.state == 'QUEUED' or r.state == 'READY' then return end_cancelled(r) end
  emit(r)
  redis.call('PUBLISH', P .. 'wake', r.id)
end
