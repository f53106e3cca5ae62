-- Gives the next numbers to devices which arrive together; a device that joined within the last two minutes gets its own again.
-- ARGV: device nonces. Reply: time, then 'epoch:number' of each device. Both are one text with spaces between, which a client writes
-- and reads much faster than a list.
local SLOT = 60 * SECOND
local KEPT_S = 120 -- a slot from its last join on, so that each device in it is known for as long at least

if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local refused = refusal()
if refused then
  return refused
end
freeze_draw()

local slot = math.floor(NOW / SLOT)
local function devices(at)
  return key('devices:' .. string.format('%.0f', at))
end

local wanted = {}
for device in string.gmatch(ARGV[1], '%S+') do
  wanted[#wanted + 1] = device
end
local earlier = {}
for _, at in ipairs({ slot, slot - 1, slot - 2 }) do
  earlier[#earlier + 1] = redis.call('HMGET', devices(at), unpack(wanted))
end

local reply = { text(NOW) }
local fresh = {}
local tail = number('tail:' .. room.epoch)
local given = {}
for i, device in ipairs(wanted) do
  local place = given[device] or earlier[1][i] or earlier[2][i] or earlier[3][i]
  if not place then
    tail = tail + 1
    place = string.format('%s:%.0f', room.epoch, tail)
    fresh[#fresh + 1] = device
    fresh[#fresh + 1] = place
  end
  given[device] = place
  reply[#reply + 1] = place
end
if #fresh > 0 then
  set('tail:' .. room.epoch, tail)
  redis.call('HSET', devices(slot), unpack(fresh))
  redis.call('EXPIRE', devices(slot), KEPT_S)
  save_room()
end
return table.concat(reply, ' ')
