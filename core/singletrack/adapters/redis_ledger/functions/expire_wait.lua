-- expire_wait: end a run that has waited too long for its lock or for a worker.
-- ARGV  id
-- reply verdict, state
register('expire_wait', {}, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  local over = redis.call('ZSCORE', P .. 'deadlines', r.id)
  if not over or tonumber(over) > now() then return { 'DROP', r.state } end
  if r.state == 'QUEUED' then
    fail(r, 'EXPIRED', 'QueueTimeoutExceeded', 'the lock was not free in time')
  else
    local to = number(r, 'attempt') > 0 and 'FAILED' or 'EXPIRED'
    fail(r, to, 'StartDeadlineExceeded', 'no worker took the run in time')
  end
  return { 'OK', r.state }
end)
