-- prioritise: change the priority of a run that has not started; a waiting one moves in line.
-- ARGV  id, priority
-- reply verdict, state
register('prioritise', {}, function(args)
  local r = fetch(args[1])
  if not r then return { 'UNKNOWN', '' } end
  if not (r.state == 'QUEUED' or r.state == 'READY' or r.state == 'CLAIMED') then
    return { 'DROP', r.state }
  end
  if r.priority ~= args[2] then
    change(r, 'priority', args[2])
    if r.state == 'QUEUED' then redis.call('ZADD', P .. 'wait:' .. r.lock, int(score_of(r)), r.id) end
    emit(r)
  end
  return { 'OK', r.state }
end)
