-- Reads the room's figures together with the clock by which they are old or new. Replies {now in microseconds, flat hash}.
-- KEYS[1] hash of figures (rulebook.coupling.RoomFigures)
local clock = redis.call('TIME')
return { string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2])), redis.call('HGETALL', KEYS[1]) }
