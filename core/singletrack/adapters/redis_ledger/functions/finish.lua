-- finish: end a claimed run, free its lock and let the next one in.
-- ARGV  id, nonce, state, has result ('1' or ''), result, failure reason, message, type, traceback,
--       text for celery-task-meta-<id> ('' for none)
-- reply verdict, state

local function tell_celery(r, meta)
  local name = 'celery-task-meta-' .. r.id
  redis.call('SET', name, meta, 'PX', int(math.max(number(r, 'ttl_ms'), 1000)))
  redis.call('PUBLISH', name, meta)
end

register('finish', { 'allow-oom' }, function(args)
  local r, nonce, state = fetch(args[1]), args[2], args[3]
  if not r then return { is_blessed() and 'UNKNOWN' or 'RECOVERING', '' } end
  if not leased_by(r, nonce) then
    if r.nonce == nonce and r.state == state then return { 'OK', r.state } end
    local unsure = TRANSITIONS[r.state] and not is_blessed()
    return { unsure and 'RECOVERING' or 'DROP', r.state }
  end
  if not TRANSITIONS[r.state][state] then
    error('a run cannot go from ' .. r.state .. ' to ' .. state)
  end
  if args[4] == '1' then change(r, 'result', args[5]) end
  if args[6] ~= '' then
    change(r, 'failure_reason', args[6], 'failure_message', args[7], 'failure_type', args[8],
      'traceback', args[9])
  end
  if args[10] ~= '' then tell_celery(r, args[10]) end
  move(r, state)
  return { 'OK', r.state }
end)
