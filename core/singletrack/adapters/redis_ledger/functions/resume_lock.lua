-- resume_lock: end a pause; a free lock goes to the first in line.
-- ARGV  lock
-- reply 1, or 0 when it was not paused
register('resume_lock', {}, function(args)
  local ended = resume('lock', args[1])
  if ended == 1 then promote(args[1]) end
  return ended
end)
