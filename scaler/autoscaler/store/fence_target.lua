-- Shuts out the terms before one's own from a rule's admission targets. Replies the term that stands then.
-- KEYS[1] hash of terms, a field a rule
-- ARGV rule, term, milliseconds to keep it
local stands = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '-1')
if tonumber(ARGV[2]) > stands then
  stands = tonumber(ARGV[2])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return string.format('%.0f', stands)
