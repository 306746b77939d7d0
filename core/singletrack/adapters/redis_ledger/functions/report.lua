-- report: store the progress of a RUNNING run.
-- ARGV  id, nonce, progress as JSON
-- reply verdict
register('report', {}, function(args)
  local r = fetch(args[1])
  if not leased_by(r, args[2]) or r.state ~= 'RUNNING' then return 'DROP' end
  change(r, 'progress', args[3])
  emit(r)
  return 'OK'
end)
