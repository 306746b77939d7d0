-- delete: take a run out of sight: now if it has ended, else at its end, and it is asked to stop.
-- ARGV  id, by, reason, grace in ms
-- reply verdict, state
register('delete', { 'allow-oom' }, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  local again = r.deleted ~= ''
  if not again then change(r, 'deleted', '1') end
  if TRANSITIONS[r.state] then
    ask_to_stop(r, args[2], args[3], args[4])
    save(r)
  elseif not again then
    emit(r)
    redis.call('DEL', 'celery-task-meta-' .. r.id)
  end
  return { 'OK', r.state }
end)
