-- What happens to a new run whose lock is held or paused: `singletrack.policies.decide`, said again for the
-- server. Pure reads; `submit` carries out what is decided here, `preview` only tells.

local function holder_of(lock)
  local owner = redis.call('HGET', lock_key(lock), 'owner')
  return owner and fetch(owner) or nil
end

local function waiting_for(lock) return redis.call('ZRANGE', P .. 'wait:' .. lock, 0, -1) end

local function look_at(lock)
  local holder, paused = holder_of(lock), is_paused('lock', lock)
  return {
    holder = holder,
    ending = holder and holder.cancel_by ~= '',
    paused = paused,
    waiting = (holder or paused) and redis.call('ZCARD', P .. 'wait:' .. lock) or 0,
  }
end

local by_policy = {
  Queue = function(seen, max_queue)
    local room = tonumber(max_queue)
    return room and seen.waiting >= room and 'reject' or 'wait'
  end,
  QueueLatest = function() return 'supersede' end,
  Replace = function() return 'replace' end,
  Reject = function(seen)
    return seen.ending and not seen.paused and seen.waiting == 0 and 'wait' or 'reject'
  end,
  Join = function(seen)
    local nobody_works = seen.ending or not seen.holder
    return nobody_works and seen.waiting == 0 and 'wait' or 'join'
  end,
  Skip = function() return 'skip' end,
}

local function check_policy(policy)
  if not by_policy[policy] then error('there is no policy ' .. policy) end
end

local function decide(policy, seen, max_queue)
  if not seen.holder and not seen.paused then return 'start' end
  return by_policy[policy](seen, max_queue)
end

local function why_refused(policy, seen)
  if policy == 'Queue' then return 'QueueFull' end
  return seen.holder and 'LockHeld' or 'LockPaused'
end

-- The run a joining one stands for.
local function joined_by(lock, seen)
  if seen.holder and not seen.ending then return seen.holder end
  return fetch(redis.call('ZRANGE', P .. 'wait:' .. lock, 0, 0)[1])
end
