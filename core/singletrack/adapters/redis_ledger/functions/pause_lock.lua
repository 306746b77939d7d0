-- pause_lock: give a lock to nobody until it is resumed; its holder goes on.
-- ARGV  lock, by, reason
-- reply 1, or 0 when it is paused already
register('pause_lock', {}, function(args) return pause('lock', args[1], args[2], args[3]) end)
