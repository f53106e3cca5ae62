-- Renews, ends or, after a loss, restores sessions.
-- ARGV: renew or restore, then of each session its id, its new end and its hard end (us);
--       or complete or abandon, then of each session its id, and for how long gates need to hear of its end (ms).
-- Reply: for each session 1 if it goes on (where it was to end: if it was live), 0 if not.
-- A renewal is on a signed pass, so it tells of a session which was opened. One that we never knew was lost and is put back; soon
-- after a loss, one that has expired here as well, as its renewals may have been lost. Who was ended stays outside.
local verb = ARGV[1]
local seen = redis.call('HMGET', KEYS[1], 'lost_us', 'entered_us', 'epochs')
local lost_us, entered_us = tonumber(seen[1] or '0'), tonumber(seen[2] or '0')
-- A server which came back with data may have been rolled back, though nobody who knows of it is left.
local since = NOW - (string.find(seen[3] or '', ',') and math.max(lost_us, entered_us) or lost_us)
local lost = since >= 0 and since < RECOVERY_LONGEST
local reply = {}

local function is_live(session)
  return tonumber(redis.call('ZSCORE', key('sessions'), session) or '0') > NOW
end

local function may_be_lost(session)
  if redis.call('ZSCORE', key('ended'), session) then
    return false
  end
  return verb == 'restore' or lost or not redis.call('ZSCORE', key('hardends'), session)
end

if verb == 'renew' or verb == 'restore' then
  for i = 2, #ARGV, 3 do
    local session, expires, ends = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    if is_live(session) or may_be_lost(session) then
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
