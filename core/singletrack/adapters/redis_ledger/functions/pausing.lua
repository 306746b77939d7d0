-- Pauses of locks and of queues. A paused lock is given to nobody; the READY runs of a paused queue
-- are parked: not published, not claimed, and their start deadline stands still.

is_paused = function(kind, name)
  return redis.call('HEXISTS', P .. 'paused', kind .. ':' .. name) == 1
end

park = function(r, at)
  change(r, 'publications', 0)
  redis.call('ZADD', P .. 'parked:' .. r.queue, int(at), r.id)
end

local function pause(kind, name, by, reason)
  if is_paused(kind, name) then return 0 end
  local text = cjson.encode({ since = int(now()), by = by, reason = reason })
  redis.call('HSET', P .. 'paused', kind .. ':' .. name, text)
  count('paused|kind=' .. kind)
  return 1
end

local function resume(kind, name)
  if redis.call('HDEL', P .. 'paused', kind .. ':' .. name) == 0 then return 0 end
  count('paused|kind=' .. kind, '-1')
  return 1
end

local function pause_of(kind, name)
  return redis.call('HGET', P .. 'paused', kind .. ':' .. name) or ''
end
