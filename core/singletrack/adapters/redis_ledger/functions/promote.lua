-- promote: give a free lock to the first in line.
-- ARGV  lock
-- reply 1 if somebody got it
register('promote', {}, function(args) return promote(args[1]) and 1 or 0 end)
