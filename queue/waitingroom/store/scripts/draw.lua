-- Publishes the draw's record, once: the first one written stays. ARGV: the record. Reply: the record in force.
local terms = redis.call('HMGET', KEYS[1], 'beacon_source', 'beacon')
if (terms[1] or '') ~= '' and (terms[2] or '') == '' then
  return redis.error_reply('NOBEACON the draw waits for the value of its beacon')
end
redis.call('HSETNX', KEYS[1], 'draw', ARGV[1])
return redis.call('HGET', KEYS[1], 'draw')
