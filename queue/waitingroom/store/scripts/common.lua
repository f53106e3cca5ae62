-- Shared by every script of the room; `scripts.py` puts it before each.
-- KEYS[1] is '{onsale}:room'. All other keys share its prefix, and so its hash slot.
--
-- room      hash    settings of the onsale, the bucket, and per epoch tail, released, settled, shift
--                   and what operators have set: hold, ops_rate, ops_capacity, ops_{prequeue,opens,closes}_us, soldout, message,
--                   beacon (the value of the source in beacon_source, which the document announces); operated_us: when, the last time
-- audit     list    the last changes by operators, JSON, oldest first
-- revocations stream sessions ended before their time, for as long as their passes could still hold
-- batches   list    releases whose claim window is open, oldest first: 'epoch:first:last:at_us:kind', kind r(egular), l(ate) or
--                   o(lder: put back after a loss, never refunded)
-- claimed:E bitmap  bit position-1 is set once the place at that position of epoch E has been claimed
-- sessions  zset    live sessions by the time (us) at which they end
-- hardends  zset    the hard ends (us) of sessions, counted from the first claim, whatever is renewed
-- late      list    'epoch:position' of late buyers who came back, in the order in which they did
-- latecomer hash    'epoch:position' -> w(aiting in `late`) or s(erved, may claim)
-- targets   list    admission-target segments written by the scaler (rulebook.coupling.targets_key)
-- figures   hash    what the scaler reads (rulebook.coupling.RoomFigures)
-- samples   list    'at_us:tail:released:claimed' of the last seconds, for the rates
-- ended     zset    sessions which somebody has ended, by the time (us) until which their passes could still hold: not to be put back
-- restored  hash    after a loss: process -> the epoch to which it has told its live sessions
-- accounts  hash    where entry is by token: tag of an account -> who holds its place (see holders.lua)
-- moved     hash    'epoch:number' of a place that was moved to another device -> its generation
-- movelog   list    'epoch:number:generation' of the latest moves; the room hash counts them all in 'moves'
-- codes:S   hash    recovery codes of slot S of 600 s (see holders.lua)
-- handover:H hash   a code of the hand-over by its hash, for half a minute: its session, and what it stands for
-- handed:S  zset    hashes of the devices which took over session S, for as long as it may last
-- devices:S hash    device nonce -> 'epoch:number' of those who joined in slot S of 60 s
local PREFIX = string.sub(KEYS[1], 1, -5)
local SECOND = 1000000
local RECOVERY_LONGEST = 60 * SECOND
local RECOVERY_SHORTEST = 3 * SECOND

local clock = redis.call('TIME')
local NOW = tonumber(clock[1]) * SECOND + tonumber(clock[2])

local room = {}
local changed = {}

local function key(name)
  return PREFIX .. name
end

-- Doubles hold every number here exactly (microseconds stay below 2^53); 17 digits carry a double there and back.
local function text(value)
  if type(value) == 'number' then
    return string.format('%.17g', value)
  end
  return value
end

local function set(field, value)
  room[field] = text(value)
  changed[field] = true
end

local function number(field)
  return tonumber(room[field] or '0') or 0
end

-- What operators set goes before the document, for this call alone: the document's own values stay in the hash.
local function apply_overrides()
  local rate, capacity = tonumber(room.ops_rate or ''), tonumber(room.ops_capacity or '')
  if rate and rate < number('rate') then
    room.rate, room.rate_reason = text(rate), 'operator'
  end
  if capacity and capacity < (tonumber(room.capacity or '') or math.huge) then
    room.capacity = text(capacity)
  end
  for _, field in ipairs({ 'prequeue_us', 'opens_us', 'closes_us' }) do
    if (room['ops_' .. field] or '') ~= '' then
      room[field] = room['ops_' .. field]
    end
  end
  -- Sold out counts as closed.
  local soldout, closes = tonumber(room.soldout or ''), number('closes_us')
  if soldout and (closes == 0 or soldout < closes) then
    room.closes_us = text(soldout)
  end
end

-- The store's clock may go back: corrected, resumed, or another host's. What then lies ahead of it counts as now, or whatever waits
-- for time to pass since would wait for the clock to catch up.
local function heed_clock()
  for _, field in ipairs({ 'lost_us', 'entered_us', 'published_us' }) do
    if number(field) > NOW then
      set(field, NOW)
    end
  end
end

local function load_room()
  local flat = redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do
    room[flat[i]] = flat[i + 1]
  end
  heed_clock()
  apply_overrides()
  return room.config ~= nil and room.epoch ~= nil
end

local function save_room()
  local flat = {}
  for field in pairs(changed) do
    flat[#flat + 1] = field
    flat[#flat + 1] = room[field]
  end
  if #flat > 0 then
    redis.call('HSET', KEYS[1], unpack(flat))
  end
  changed = {}
end

local function epochs()
  local list = {}
  for epoch in string.gmatch(room.epochs or '', '[^,]+') do
    list[#list + 1] = epoch
  end
  return list
end

local function join_epochs(list)
  table.sort(list, function(a, b) return tonumber(a) < tonumber(b) end)
  set('epochs', table.concat(list, ','))
end

-- The highest position of an epoch's line. A line that took in the pre-queue of older epochs is longer than its own numbers.
local function line_end(epoch)
  return number('tail:' .. epoch) + number('shift:' .. epoch)
end

-- Opens a session, or lets one go on, until `expires` but never beyond its hard end, which is set once.
local function keep_session(session, expires, ends)
  local known = tonumber(redis.call('ZSCORE', key('hardends'), session) or '')
  if known then
    ends = math.min(known, ends)
  end
  if ends > NOW and ends ~= known then
    redis.call('ZADD', key('hardends'), text(ends), session)
  end
  redis.call('ZADD', key('sessions'), 'GT', text(math.min(expires, ends)), session)
end

local function drop_session(session)
  redis.call('ZREM', key('sessions'), session)
  redis.call('ZREM', key('hardends'), session)
end

-- Remembers, for as long as its pass could still hold (ms), that somebody has ended a session: a renewal is not to put it back.
local function note_ended(session, keep)
  redis.call('ZADD', key('ended'), text(NOW + keep * 1000), session)
  redis.call('ZREMRANGEBYSCORE', key('ended'), '-inf', NOW)
  redis.call('PEXPIRE', key('ended'), keep)
end

-- Tells every gate, for as long, that a session is over.
local function tell_ended(session, kind, keep)
  local oldest = string.format('%.0f', math.max(0, math.floor(NOW / 1000) - keep))
  redis.call('XADD', key('revocations'), 'MINID', '=', oldest, '*', 'session', session, 'kind', kind)
  redis.call('PEXPIRE', key('revocations'), keep)
  note_ended(session, keep)
end

-- Puts settings in force: field and value of each, from ARGV[first] on. Once somebody has joined, the order of the line stays what
-- it was, and so does what was announced of its draw.
local function put_in_force(first)
  local joined = false
  for _, epoch in ipairs(epochs()) do
    joined = joined or number('tail:' .. epoch) > 0
  end
  for i = first, #ARGV, 2 do
    local field = ARGV[i]
    if not joined or room[field] == nil or (field ~= 'order' and field ~= 'beacon_source') then
      set(field, ARGV[i + 1])
    end
  end
end

-- Tells whether processes may still know of higher counters than the store, which has just begun this epoch: their next calls put
-- them back, and until then nobody shall be told to wait whose turn, or the turn of somebody behind, has been called elsewhere.
local function settling()
  local since = NOW - number('entered_us')
  return since < SECOND or (number('lost_us') >= number('entered_us') and since < RECOVERY_SHORTEST)
end

-- Numbers joined before the opening take part in the draw; the first call past it freezes how many they are. All of them, of
-- whichever epoch, stand in the line of the epoch then current: 'pool' is 'epoch:count,...', oldest first, that one last.
-- While processes may still put back who joined before the store was lost, only this epoch's part is frozen, as 'early:E'.
local function freeze_draw()
  local opens = number('opens_us')
  if room.order ~= 'draw' or opens == 0 or (room.pool or '') ~= '' then
    return
  end
  local early = 'early:' .. (room.epoch or '')
  if NOW < opens then
    if (room[early] or '') ~= '' then
      set(early, '') -- the opening was put off
    end
    return
  end
  if settling() then
    if (room[early] or '') == '' then
      set(early, number('tail:' .. room.epoch))
    end
    return
  end
  local pool, others = {}, 0
  for _, epoch in ipairs(epochs()) do
    local joined = number('tail:' .. epoch)
    if epoch == room.epoch then
      joined = tonumber(room[early] or '') or joined
    end
    pool[#pool + 1] = string.format('%s:%.0f', epoch, joined)
    if epoch ~= room.epoch then
      others = others + joined
      set('released:' .. epoch, joined)
      set('settled:' .. epoch, joined)
    end
  end
  set('shift:' .. room.epoch, others)
  set('pool', table.concat(pool, ','))
end
