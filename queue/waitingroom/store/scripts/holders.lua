-- Who holds a place: its generation where it was moved to another device, and the account whose only place it is.
-- A place is named 'epoch:number'. The signed place is the truth: a higher generation than the one known here was lost here.
local LONGEST_LOG = 1000
local MOST_MOVES = 20
local CODE_SLOT = 600 * SECOND

local function generation_of(place)
  return tonumber(redis.call('HGET', key('moved'), place) or '0')
end

local function raise_generation(place, generation)
  redis.call('HSET', key('moved'), place, text(generation))
  redis.call('RPUSH', key('movelog'), place .. ':' .. text(generation))
  redis.call('LTRIM', key('movelog'), -LONGEST_LOG, -1)
  set('moves', number('moves') + 1)
end

local function account_of(account)
  local entry = redis.call('HGET', key('accounts'), account)
  if not entry then
    return nil
  end
  local place, generation, device, issued, state = string.match(entry, '^(%d+:%d+):(%d+):([^:]*):(%d+):(%a)$')
  return { place = place, generation = tonumber(generation), device = device, issued = issued, entered = state == 'e' }
end

local function write_account(account, holder)
  redis.call('HSET', key('accounts'), account, string.format('%s:%.0f:%s:%s:%s',
    holder.place, holder.generation, holder.device, holder.issued, holder.entered and 'e' or 'w'))
end

local function is_older(one, other)
  local epoch, position = string.match(one, '^(%d+):(%d+)$')
  local other_epoch, other_position = string.match(other, '^(%d+):(%d+)$')
  if epoch ~= other_epoch then
    return tonumber(epoch) < tonumber(other_epoch)
  end
  return tonumber(position) < tonumber(other_position)
end

-- Takes in what a signed place says of its holder, and tells whether that is still so. Where an account turns out to hold two
-- places, as after a loss of data, the older one counts, unless the other has been used.
local function holds(place, generation, account, device, issued)
  local known = generation_of(place)
  if generation < known then
    return false
  end
  if generation > known then
    raise_generation(place, generation)
  end
  if account == '' then
    return true
  end
  local holder = account_of(account)
  if holder and holder.place ~= place and (holder.entered or not is_older(place, holder.place)) then
    return false
  end
  if not holder or holder.place ~= place then
    holder = { place = place, generation = -1, entered = false }
  end
  if generation > holder.generation then
    holder.generation, holder.device, holder.issued = generation, device, issued
    write_account(account, holder)
  end
  return true
end

-- A place has at most one code; the fields of a slot are code -> place and what it was, and place -> code.
local function codes(at)
  return key('codes:' .. string.format('%.0f', at))
end

local function drop_code(place)
  local slot = math.floor(NOW / CODE_SLOT)
  for _, at in ipairs({ slot, slot - 1 }) do
    local code = redis.call('HGET', codes(at), place)
    if code then
      redis.call('HDEL', codes(at), place, code)
    end
  end
end
