-- Replies with the newest texts of a shelf.
-- KEYS[1] list of texts, newest first
-- ARGV how many
return redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
