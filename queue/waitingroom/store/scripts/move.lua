-- Moves a place to another device by a recovery code.
-- ARGV: 'issue', the code's tag, then the place as its holder shows it: epoch:number, generation, account, device, issued (ms),
--         position ('' if not known yet) with its epoch, and the session which the place opens
--       'redeem', the code's tag, and the device which asks
-- Reply of 'issue': 'issued', when the code ends (us), NOW; or why not: moved, entered, exhausted.
-- Reply of 'redeem': 'redeemed', epoch:number, generation, account, issued (ms), NOW; or why not: code, busy, moved.
-- A code is good for one device: asked again by that device, the answer is the same, as the first one may have been lost.
local CODE_GOOD = 600 * SECOND
local WRONG_CODES_PER_MINUTE = 300

if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local slot = math.floor(NOW / CODE_SLOT)

local function has_entered(epoch, position, session)
  if position ~= '' and redis.call('GETBIT', key('claimed:' .. epoch), tonumber(position) - 1) == 1 then
    return true
  end
  return tonumber(redis.call('ZSCORE', key('sessions'), session) or '0') > NOW
end

local function issue(code, place, generation, account, device, issued, epoch, position, session)
  if not holds(place, generation, account, device, issued) then
    return { 'moved' }
  end
  if has_entered(epoch, position, session) then
    return { 'entered' }
  end
  if generation >= MOST_MOVES then
    return { 'exhausted' }
  end
  drop_code(place)
  local ends = NOW + CODE_GOOD
  local entry = string.format('%s|%.0f|%s|%s|%.0f|', place, generation, account, issued, ends)
  redis.call('HSET', codes(slot), code, entry, place, code)
  redis.call('PEXPIRE', codes(slot), 2 * CODE_SLOT / 1000)
  set('codes_issued', number('codes_issued') + 1)
  return { 'issued', text(ends), text(NOW) }
end

local function note_wrong_code()
  set('wrong_codes', number('wrong_codes') + 1)
  return { 'code' }
end

local function redeem(code, device)
  local minute = math.floor(NOW / (60 * SECOND))
  if number('wrong_codes_minute') ~= minute then
    set('wrong_codes_minute', minute)
    set('wrong_codes', 0)
  end
  if number('wrong_codes') >= WRONG_CODES_PER_MINUTE then
    return { 'busy' }
  end
  local found, entry
  for _, at in ipairs({ slot, slot - 1 }) do
    if not entry then
      found = codes(at)
      entry = redis.call('HGET', found, code)
    end
  end
  if not entry then
    return note_wrong_code()
  end
  local place, generation, account, issued, ends, taker = string.match(entry, '^([^|]*)|(%d+)|([^|]*)|(%d+)|(%d+)|(.*)$')
  local wanted = tonumber(generation) + 1
  if NOW >= tonumber(ends) or (taker ~= '' and taker ~= device) then
    return note_wrong_code()
  end
  local known = generation_of(place)
  if known > wanted or (taker == '' and known == wanted) then
    return { 'moved' }
  end
  if taker == '' then
    if not holds(place, wanted, account, device, issued) then
      return { 'moved' }
    end
    redis.call('HSET', found, code, entry .. device)
  end
  return { 'redeemed', place, text(wanted), account, issued, text(NOW) }
end

local reply
if ARGV[1] == 'issue' then
  reply = issue(ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10])
else
  reply = redeem(ARGV[2], ARGV[3])
end
save_room()
return reply
