-- Puts texts in front of a shelf, and drops what is beyond its length.
-- KEYS[1] list of texts, newest first
-- ARGV length, milliseconds after which a shelf that nothing is put on is gone (0: never), texts, oldest first
for index = 3, #ARGV do
  redis.call('LPUSH', KEYS[1], ARGV[index])
end
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[1]) - 1)
if tonumber(ARGV[2]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return #ARGV - 2
