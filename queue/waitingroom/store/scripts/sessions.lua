-- Renews, ends or, after a loss, restores sessions.
-- ARGV: renew or restore, then of each session its id, its new end and its hard end (us);
--       or complete or abandon, then of each session its id, and for how long gates need to hear of its end (ms).
-- Reply: for each session 1 if it goes on (where it was to end: if it was live), 0 if not.
-- A renewal tells of a session that we may have lost: soon after a loss it is put back.
local verb = ARGV[1]
local lost = NOW - tonumber(redis.call('HGET', KEYS[1], 'lost_us') or '0') < RECOVERY_LONGEST
local reply = {}

local function is_live(session)
  return tonumber(redis.call('ZSCORE', key('sessions'), session) or '0') > NOW
end

if verb == 'renew' or verb == 'restore' then
  for i = 2, #ARGV, 3 do
    local session, expires, ends = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    if verb == 'restore' or lost or is_live(session) then
      keep_session(session, expires, ends)
    end
    reply[#reply + 1] = is_live(session) and 1 or 0
  end
else
  for i = 2, #ARGV, 2 do
    local session = ARGV[i]
    reply[#reply + 1] = is_live(session) and 1 or 0
    drop_session(session)
    tell_ended(session, verb, tonumber(ARGV[i + 1])) -- even one that we have lost: its pass may still hold
  end
end
return reply
