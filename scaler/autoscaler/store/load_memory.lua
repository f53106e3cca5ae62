-- Reads what a rule remembers, and how long ago that was by this store's clock.
-- KEYS[1] hash of one rule's memory, see save_memory.lua
-- Replies {text, age in microseconds}, or nothing.
local kept = redis.call('HMGET', KEYS[1], 'text', 'at_us')
if not kept[1] then
  return {}
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
return { kept[1], string.format('%.0f', math.max(now - (tonumber(kept[2] or '') or now), 0)) }
