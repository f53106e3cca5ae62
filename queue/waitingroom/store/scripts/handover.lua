-- Hands an admitted buyer over to a shop on another domain, by a code of which only the hash is known here.
-- ARGV: the verb, the code's hash, then
--   offer   session, what the code stands for (a text), for how long it holds (ms)
--   take    hash of the device, how many devices may take over one session, for how long they are remembered (ms)
-- Reply: of offer 1; of take what became of it, and the text. taken, unknown (never offered, used or too old), ended (the session is
-- over), devices (too many have taken over this session). Whatever the outcome, the code is used up.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local code = key('handover:' .. ARGV[2])

if ARGV[1] == 'offer' then
  redis.call('HSET', code, 'session', ARGV[3], 'text', ARGV[4])
  redis.call('PEXPIRE', code, ARGV[5])
  return 1
end

local session, offered = unpack(redis.call('HMGET', code, 'session', 'text'))
if not session then
  return { 'unknown', '' }
end
redis.call('DEL', code)
if (tonumber(redis.call('ZSCORE', key('sessions'), session) or '0')) <= NOW then
  return { 'ended', '' }
end
local devices = key('handed:' .. session)
redis.call('ZADD', devices, NOW, ARGV[3])
redis.call('PEXPIRE', devices, ARGV[5])
if redis.call('ZCARD', devices) > tonumber(ARGV[4]) then
  redis.call('ZREM', devices, ARGV[3])
  return { 'devices', '' }
end
return { 'taken', offered }
