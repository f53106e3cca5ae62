-- Renews, ends or, after a loss, restores sessions. ARGV: the verb (renew, restore; complete or abandon to end them), then of each
-- session its id and its new end (us), or where it ends for how long gates need to hear of that (ms).
-- Reply: for each session 1 if it was live, 0 if not.
local ends = ARGV[1] == 'complete' or ARGV[1] == 'abandon'
local reply = {}
for i = 2, #ARGV, 2 do
  local session, value = ARGV[i], ARGV[i + 1]
  local score = redis.call('ZSCORE', key('sessions'), session)
  local live = score and tonumber(score) > NOW
  if ARGV[1] == 'restore' or (live and ARGV[1] == 'renew') then
    redis.call('ZADD', key('sessions'), 'GT', value, session)
  elseif ends then
    redis.call('ZREM', key('sessions'), session)
    tell_ended(session, ARGV[1], tonumber(value)) -- even one that we have lost: its pass may still hold
  end
  reply[#reply + 1] = live and 1 or 0
end
return reply
