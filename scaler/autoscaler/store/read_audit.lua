-- Replies with the newest entries of the console's audit log.
-- KEYS[1] list of entries, newest first
-- ARGV how many
return redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
