-- Puts an entry in front of the console's audit log, and drops what is beyond its length.
-- KEYS[1] list of entries, newest first
-- ARGV entry, length
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
return 1
