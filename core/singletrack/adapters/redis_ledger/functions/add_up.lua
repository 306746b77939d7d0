-- add_up: bring what the journal says was counted into the counters.
-- reply how many bytes the journal had
register('add_up', { 'allow-oom' }, function() return add_up() end)
