-- What a script tells its caller, and what it publishes for the scaler.
local PUBLISH_EVERY = SECOND / 2
local SAMPLES = 11 -- of five seconds
-- What operators set: known to every process, to be put back if the store loses it.
local OPERATED = { 'hold', 'message', 'soldout', 'ops_rate', 'ops_capacity', 'ops_prequeue_us', 'ops_opens_us', 'ops_closes_us',
  'beacon', 'operated_us' }
local TEXTS = { hold = true, message = true, soldout = true, draw = true, pool = true, beacon_source = true,
  beacon = true, config = true, order = true }

local function total_issued()
  local sum = 0
  for _, epoch in ipairs(epochs()) do
    sum = sum + number('tail:' .. epoch)
  end
  return sum
end

local function total_waiting()
  local sum = 0
  for _, epoch in ipairs(epochs()) do
    sum = sum + line_end(epoch) - number('released:' .. epoch)
  end
  return sum
end

local function late_waiting()
  return redis.call('LLEN', key('late'))
end

-- About twice a second, so that the scaler hears soon of a rush: a sample, and the means over those of the last seconds.
local function publish()
  if NOW - number('published_us') < PUBLISH_EVERY then
    return
  end
  set('published_us', NOW)
  -- Samples of a clock that has gone back since tell nothing of what came when.
  local newest = redis.call('LINDEX', key('samples'), -1)
  if newest and tonumber(string.match(newest, '^%d+')) > NOW then
    redis.call('DEL', key('samples'))
  end
  local tail, waiting, claimed = total_issued(), total_waiting(), number('claimed')
  local released = tail - waiting
  redis.call('RPUSH', key('samples'), string.format('%.0f:%.0f:%.0f:%.0f', NOW, tail, released, claimed))
  redis.call('LTRIM', key('samples'), -SAMPLES, -1)
  local at, tail_then, released_then, claimed_then =
    string.match(redis.call('LINDEX', key('samples'), 0), '^(%d+):(%d+):(%d+):(%d+)$')
  local seconds = (NOW - tonumber(at)) / SECOND
  local function per_second(count, before)
    return seconds > 0 and (count - tonumber(before)) / seconds or 0
  end
  set('arrivals_per_s', per_second(tail, tail_then))
  set('released_per_s', per_second(released, released_then))
  set('claimed_per_s', per_second(claimed, claimed_then))
  -- Whoever stands in line when the onsale ends is no work for the shop any more: nobody will be released.
  local ended = has_closed()
  redis.call('HSET', key('figures'),
    'at_us', text(NOW), 'waiting', ended and '0' or text(waiting), 'late', ended and '0' or late_waiting(), 'tail', text(tail),
    'released', text(released), 'claimed', text(claimed), 'sessions', live_sessions(),
    'arrivals_per_s', room.arrivals_per_s, 'released_per_s', room.released_per_s, 'claimed_per_s', room.claimed_per_s,
    'opens_us', room.opens_us)
end

-- A flat list of field and value, read by waitingroom.snapshot.read_snapshot.
local function snapshot()
  local rate, reason, capacity, binding, bound = rate_at(NOW)
  local reply = {
    'at_us', text(NOW), 'rate_now', text(rate), 'rate_reason', reason,
    'capacity_now', capacity and text(capacity) or '', 'settling', settling() and '1' or '', 'recovers_us', text(recovering() or 0),
    'sessions', text(live_sessions()), 'late', text(late_waiting()),
  }
  if binding and type(binding.outlook) == 'string' and binding.outlook ~= '' then
    for _, part in ipairs({ 'outlook', binding.outlook, 'outlook_us', tostring(binding.outlook_us), 'outlook_bound', text(bound) }) do
      reply[#reply + 1] = part
    end
  end
  for _, field in ipairs({ 'epochs', 'tokens', 'burst', 'outstanding', 'claimed', 'no_shows', 'arrivals_per_s',
    'released_per_s', 'claimed_per_s', 'opens_us', 'closes_us', 'hold', 'message', 'soldout', 'draw', 'pool', 'config',
    'beacon_source', 'beacon', 'order' }) do
    reply[#reply + 1] = field
    reply[#reply + 1] = room[field] or (TEXTS[field] and '' or '0')
  end
  for _, field in ipairs(OPERATED) do
    if room[field] then
      reply[#reply + 1] = 'operated:' .. field
      reply[#reply + 1] = room[field]
    end
  end
  for _, epoch in ipairs(epochs()) do
    for _, name in ipairs({ 'tail:', 'released:', 'settled:', 'shift:' }) do
      reply[#reply + 1] = name .. epoch
      reply[#reply + 1] = room[name .. epoch] or '0'
    end
  end
  return reply
end
