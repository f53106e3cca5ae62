-- Gives accounts their places: the next number to one that has none; its own again to the device that holds it.
-- ARGV: of each who joins, the account, the device, and 'm' if the place is to be moved to this device from another ('' if not).
-- Reply: time, then for each 'epoch:number:generation:issued_ms', or why not: held, entered, exhausted.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local refused = refusal()
if refused then
  return refused
end
freeze_draw()

local function described(holder)
  return string.format('%s:%.0f:%s', holder.place, holder.generation, holder.issued)
end

local function enrol(account, device, wish)
  local holder = account_of(account)
  if not holder then
    local tail = number('tail:' .. room.epoch) + 1
    set('tail:' .. room.epoch, tail)
    holder = { place = string.format('%s:%.0f', room.epoch, tail), generation = 0, device = device, issued = string.format('%.0f', NOW / 1000) }
    write_account(account, holder)
    return described(holder)
  end
  if holder.device == device then
    return described(holder)
  end
  if holder.entered then
    return 'entered'
  end
  if wish ~= 'm' then
    return 'held'
  end
  if holder.generation >= MOST_MOVES then
    return 'exhausted'
  end
  drop_code(holder.place)
  holder.generation, holder.device = holder.generation + 1, device
  raise_generation(holder.place, holder.generation)
  write_account(account, holder)
  return described(holder)
end

local reply = { text(NOW) }
for i = 1, #ARGV, 3 do
  reply[#reply + 1] = enrol(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
save_room()
return reply
