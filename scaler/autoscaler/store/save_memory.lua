-- Keeps what a rule remembers, unless a writer of a higher term has been there.
-- KEYS[1] hash of one rule's memory: text, term, at_us
-- ARGV term, text, milliseconds to keep it for
-- Replies {accepted 1|0, newest term}.
local term = tonumber(ARGV[1])
local newest = tonumber(redis.call('HGET', KEYS[1], 'term') or '0') or 0
if term < newest then
  return { 0, string.format('%.0f', newest) }
end
local clock = redis.call('TIME')
local now = string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
redis.call('HSET', KEYS[1], 'text', ARGV[2], 'term', ARGV[1], 'at_us', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 1, ARGV[1] }
