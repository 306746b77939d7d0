-- begin: the last step before user code; counts the attempt. A repeat writes again, because the
-- durability that the caller waits for covers only what its own connection has written.
-- ARGV  id, nonce
-- reply verdict, attempt
register('begin', {}, function(args)
  local r = fetch(args[1])
  if not leased_by(r, args[2]) or not owns_its_lock(r) then return { 'DROP', '0' } end
  if not is_blessed() then return { 'RECOVERING', '0' } end
  if r.cancel_by ~= '' then
    if r.state == 'CLAIMED' then end_cancelled(r) end
    return { 'CANCEL', '0' }
  end
  if r.state == 'CLAIMED' then move(r, 'RUNNING') else emit(r) end
  return { 'OK', r.attempt }
end)
