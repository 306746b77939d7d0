-- published: note a publication of a READY run; with push, make it in the same step.
-- ARGV  id, publications before, push ('1' or '')
-- reply 1 if the run was still READY with that count
register('published', {}, function(args)
  local r = fetch(args[1])
  if not r or r.state ~= 'READY' or r.publications ~= args[2] then return 0 end
  if is_paused('queue', r.queue) then return 0 end
  if args[3] == '1' then push(r) end
  local before = number(r, 'publications')
  local pause = math.min(REPUBLISH_MS * 4 ^ before, REPUBLISH_MAX_MS)
  change(r, 'publications', before + 1)
  save(r)
  redis.call('ZADD', P .. 'due', int(now() + pause), r.id)
  return 1
end)
