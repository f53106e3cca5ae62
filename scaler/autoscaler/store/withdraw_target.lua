-- Takes back what a rule has told an onsale, by this store's clock: until now it counts, from now on the rule counts no more.
-- KEYS[1] list of target segments (rulebook.coupling.targets_key), see write_target.lua
-- KEYS[2] hash of the terms that were reached, a field a rule
-- ARGV rule, term, milliseconds to keep a fence, then the rules that must have a target in force before
-- Replies {withdrawn|nothing|waits|refused, newest term}: nothing where there is none, waits for one of those rules.
local rule, term, keep = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function text(number)
  return string.format('%.0f', number)
end

local begun, newest, ahead = {}, nil, {}
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local ok, segment = pcall(cjson.decode, entry)
  if ok and type(segment) == 'table' and segment.rule then
    if (tonumber(segment.from_us) or 0) <= now then
      begun[segment.rule] = segment
    elseif segment.rule == rule then
      ahead[#ahead + 1] = entry
    end
    if segment.rule == rule then
      newest = segment
    end
  end
end

local stands = tonumber(redis.call('HGET', KEYS[2], rule) or '0') or 0
local fence = math.max(stands, newest and tonumber(newest.term) or 0)
if term < fence then
  return { 'refused', text(fence) }
end
for index = 4, #ARGV do
  local other = begun[ARGV[index]]
  -- One that was withdrawn itself ends where it began.
  if not other or now >= (tonumber(other.until_us) or 0) then
    return { 'waits', text(term) }
  end
end
-- The room trims the list: what a predecessor still has in hand must be refused also when it has.
if term > 0 then
  redis.call('HSET', KEYS[2], rule, text(term))
  redis.call('PEXPIRE', KEYS[2], keep)
end
if not newest or (newest.withdrawn == '1' and begun[rule] == newest) then
  return { 'nothing', text(term) }
end
-- After a clock that went back, targets may lie in the future.
for _, entry in ipairs(ahead) do
  redis.call('LREM', KEYS[1], -1, entry)
end
redis.call('RPUSH', KEYS[1], cjson.encode({
  rule = rule, from_us = text(now), until_us = text(now), rate = '0', capacity = '', reason = 'withdrawn', term = text(term),
  withdrawn = '1',
}))
return { 'withdrawn', text(term) }
