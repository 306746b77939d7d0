-- preview: what submit would do with a run now; writes nothing.
-- ARGV  id, fingerprint, lock, policy, max_queue, priority, worth of a point in ms
-- reply verdict, state if it is recorded already, decision, place in line or 0, why it would be
--       refused, id and name of the holder (or of the run it would join), then id and name of each
--       run that would be superseded or cancelled

-- The sequence number a run that came now would get.
local function arrival()
  local last = tonumber(redis.call('HGET', P .. 'meta', 'sequence') or '0')
  return math.max(last + 1, micros())
end

local function named(reply, other)
  reply[#reply + 1] = other and other.id or ''
  reply[#reply + 1] = other and other.name or ''
end

local function place(r)
  local list, score = P .. 'wait:' .. r.lock, int(score_of(r))
  local before = redis.call('ZCOUNT', list, '-inf', '(' .. score)
  for _, id in ipairs(redis.call('ZRANGE', list, score, score, 'BYSCORE')) do
    if id < r.id then before = before + 1 end
  end
  return before + 1
end

local function place_after(decision, r, seen)
  if decision == 'wait' then return place(r) end
  local gets_lock = seen.holder and seen.holder.state == 'READY' and not seen.paused
  if decision == 'supersede' or (decision == 'replace' and not gets_lock) then return 1 end
  return 0
end

local function name_victims(reply, decision, r, seen)
  if decision ~= 'supersede' and decision ~= 'replace' then return end
  for _, id in ipairs(waiting_for(r.lock)) do named(reply, fetch(id)) end
  local stopped = seen.holder and (seen.holder.state == 'READY' or not seen.ending)
  if decision == 'replace' and stopped then named(reply, seen.holder) end
end

register('preview', { 'no-writes' }, function(args)
  local known = fetch(args[1])
  if known then
    local same = known.fingerprint == args[2]
    return { same and 'OK' or 'CONFLICT', known.state, '', 0, '', '', '' }
  end
  check_policy(args[4])
  local r = { id = args[1], lock = args[3], priority = args[6], point_ms = args[7],
    sequence = arrival() }
  local seen = look_at(r.lock)
  local decision = decide(args[4], seen, args[5])
  local reason = decision == 'reject' and why_refused(args[4], seen) or ''
  local reply = { 'OK', '', decision, place_after(decision, r, seen), reason }
  named(reply, decision == 'join' and joined_by(r.lock, seen) or seen.holder)
  name_victims(reply, decision, r, seen)
  return reply
end)
