-- Puts an admission target in force, by this store's clock. The only script that writes admission targets; withdraw_target.lua takes
-- them back.
-- KEYS[1] list of target segments (rulebook.coupling.targets_key), oldest first; several rules may share it
-- KEYS[2] hash of the terms that were reached, a field a rule: a leader's fences (fence_target.lua)
-- ARGV rule, term, rate, capacity ('' for none), reason, validity in microseconds, outlook ('' for none)
-- Replies {accepted 1|0, now, from, until, newest term}, the last four as decimal strings.
-- Microseconds since 1970 stay below 2^53, so a Lua number holds them exactly; they travel as text because
-- cjson writes 14 digits only.
local LIMIT_PER_RULE = 1000

local rule, term, rate, capacity, reason = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local till = now + tonumber(ARGV[6])

local function text(number)
  return string.format('%.0f', number)
end

local newest, newest_index, oldest, count = nil, nil, nil, 0
for index, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local ok, segment = pcall(cjson.decode, entry)
  if ok and type(segment) == 'table' and segment.rule == rule then
    oldest = oldest or entry
    count = count + 1
    newest, newest_index = segment, index - 1
  end
end

local from = now
local fence = tonumber(redis.call('HGET', KEYS[2], rule) or '0')
local newest_from, newest_till = 0, 0
if newest then
  fence = math.max(fence, tonumber(newest.term) or 0)
  newest_from, newest_till = tonumber(newest.from_us) or 0, tonumber(newest.until_us) or 0
end
if term < fence then
  return { 0, text(now), text(newest_from), text(newest_till), text(fence) }
end
if newest then
  -- In force means begun, too: after a clock that went back, a segment may lie in the future.
  local in_force = newest_from <= now and now < newest_till
  if in_force and newest.rate == rate and newest.capacity == capacity then
    from, till = newest_from, math.max(till, newest_till)
  else
    newest_index = nil
  end
end

-- The term goes into an extended segment as well: a predecessor who comes back must be refused from now on.
local segment = cjson.encode({
  rule = rule, from_us = text(from), until_us = text(till), rate = rate, capacity = capacity, reason = reason,
  term = text(term), outlook = ARGV[7], outlook_us = text(now),
})
if newest_index then
  redis.call('LSET', KEYS[1], newest_index, segment)
else
  redis.call('RPUSH', KEYS[1], segment)
  -- The room trims the list whenever it releases. While no room runs, it must not grow for ever.
  if count >= LIMIT_PER_RULE then
    redis.call('LREM', KEYS[1], 1, oldest)
  end
end
return { 1, text(now), text(from), text(till), text(term) }
