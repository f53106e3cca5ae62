-- Renews, ends or, after a loss, restores sessions. ARGV: the verb, then session id and new end (us; ignored by 'end') of each.
-- Reply: for each session 1 if it was live, 0 if not.
local reply = {}
for i = 2, #ARGV, 2 do
  local session, expires = ARGV[i], ARGV[i + 1]
  local score = redis.call('ZSCORE', key('sessions'), session)
  local live = score and tonumber(score) > NOW
  if ARGV[1] == 'restore' or (live and ARGV[1] == 'renew') then
    redis.call('ZADD', key('sessions'), 'GT', expires, session)
  elseif live then
    redis.call('ZREM', key('sessions'), session)
  end
  reply[#reply + 1] = live and 1 or 0
end
return reply
