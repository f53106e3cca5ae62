-- The bucket and everything which takes from it or gives back: refill, no-shows, late claims, releases.

local LARGEST_TURN = 10000 -- of one call, which must not hold up the store; the next one takes the rest
local RULE_MISSED = 60 * SECOND

-- Targets of the scaler, in the order written.
local segments = {}

local function load_segments()
  segments = {}
  for _, entry in ipairs(redis.call('LRANGE', key('targets'), 0, -1)) do
    local ok, segment = pcall(cjson.decode, entry)
    if ok and type(segment) == 'table' and tonumber(segment.from_us) and tonumber(segment.until_us) then
      segments[#segments + 1] = {
        rule = tostring(segment.rule),
        from = tonumber(segment.from_us),
        till = tonumber(segment.until_us),
        rate = math.max(0, tonumber(segment.rate) or 0),
        capacity = tonumber(segment.capacity),
        reason = tostring(segment.reason),
        outlook = segment.outlook,
        outlook_us = segment.outlook_us,
        withdrawn = segment.withdrawn == '1',
        entry = entry,
      }
    end
  end
end

-- The newest segment of each rule that had begun by `at`, in the order of the rules' first appearance; none of a rule whose newest
-- one withdraws what it said before.
local function in_force(at)
  local appeared, newest = {}, {}
  for _, segment in ipairs(segments) do
    if segment.from <= at then
      if not newest[segment.rule] then
        appeared[#appeared + 1] = segment.rule
      end
      newest[segment.rule] = segment
    end
  end
  local order = {}
  for _, rule in ipairs(appeared) do
    if newest[rule].withdrawn then
      newest[rule] = nil
    else
      order[#order + 1] = rule
    end
  end
  return order, newest
end

-- A rule that has been silent for a minute while another one speaks was taken away where no scaler saw it that would have withdrawn
-- its target: were it waited for, the room would stay at the fallback rate for good.
local function is_gone(segment, at, newest)
  if at < segment.till + RULE_MISSED then
    return false
  end
  for _, other in pairs(newest) do
    if at < other.till then
      return true
    end
  end
  return false
end

-- The rate at one moment: the lowest of the ceiling and what each rule allows; an expired target means the fallback rate. With
-- reason and capacity come the fresh segment that gives the rate, if one does, and the bound that would be next.
local function rate_at(at)
  if (room.hold or '') ~= '' then
    return 0, 'hold', nil, nil, 0
  end
  local rate, reason, capacity = number('rate'), room.rate_reason or 'ceiling', tonumber(room.capacity or '')
  local binding, bound = nil, rate
  local order, newest = in_force(at)
  if #order == 0 and at < number('lost_us') + RECOVERY_LONGEST and (tonumber(room.fallback or '') or rate) < rate then
    -- The scaler's target was lost too: its next one comes within an interval.
    rate, reason = tonumber(room.fallback), 'data was lost, fallback'
  end
  for _, rule in ipairs(order) do
    local segment = newest[rule]
    local allowed, why = segment.rate, rule .. ': ' .. segment.reason
    if at >= segment.till then
      allowed, why = tonumber(room.fallback or '') or segment.rate, rule .. ': no fresh target, fallback'
    end
    if not is_gone(segment, at, newest) then
      if allowed < rate then
        bound, rate, reason, binding = rate, allowed, why, at < segment.till and segment or nil
      else
        bound = math.min(bound, allowed)
      end
    end
    if segment.capacity and at < segment.till and (not capacity or segment.capacity < capacity) then
      capacity = segment.capacity
    end
  end
  return rate, reason, capacity, binding, bound
end

local function bucket_size(rate)
  return math.max(number('burst'), rate)
end

-- Settles the time since the last refill piecewise: a target which began or expired in between counts from then on.
local function refill()
  local from = number('refilled_us')
  if from == 0 or from > NOW then
    set('refilled_us', NOW)
    return
  end
  local edges = { NOW }
  for _, segment in ipairs(segments) do
    for _, edge in ipairs({ segment.from, segment.till, segment.till + RULE_MISSED }) do
      if edge > from and edge < NOW then
        edges[#edges + 1] = edge
      end
    end
  end
  table.sort(edges)
  local tokens = number('tokens')
  for _, edge in ipairs(edges) do
    local rate = rate_at(from)
    tokens = math.min(bucket_size(rate), tokens + rate * (edge - from) / SECOND)
    from = edge
  end
  -- A rate which begins at this very moment has added nothing yet, but its bucket is the one in force.
  set('tokens', math.min(bucket_size((rate_at(NOW))), tokens))
  set('refilled_us', NOW)
end

-- Once refilled up to NOW, only the newest segment of each rule matters.
local function trim_segments()
  local order, newest = in_force(NOW)
  local kept = {}
  for _, segment in ipairs(segments) do
    if segment.from > NOW or newest[segment.rule] == segment then
      kept[#kept + 1] = segment
    end
  end
  if #kept < #segments then
    redis.call('DEL', key('targets'))
    for _, segment in ipairs(kept) do
      redis.call('RPUSH', key('targets'), segment.entry)
    end
    segments = kept
  end
end

local function parse_batch(entry)
  local epoch, first, last, at, kind = string.match(entry, '^(%d+):(%d+):(%d+):(%d+):(%a)$')
  return { epoch = epoch, first = tonumber(first), last = tonumber(last), at = tonumber(at), kind = kind }
end

local function batch_entry(batch)
  return string.format('%s:%.0f:%.0f:%.0f:%s', batch.epoch, batch.first, batch.last, batch.at, batch.kind)
end

-- Unclaimed places of batches whose claim window has passed give their tokens back, under the bucket's cap.
local function settle_no_shows()
  local window = number('claim_us')
  while true do
    local entry = redis.call('LINDEX', key('batches'), 0)
    if not entry then
      return
    end
    local batch = parse_batch(entry)
    if batch.at + window > NOW then
      return
    end
    redis.call('LPOP', key('batches'))
    local claimed = redis.call('BITCOUNT', key('claimed:' .. batch.epoch), batch.first - 1, batch.last - 1, 'BIT')
    local unclaimed = batch.last - batch.first + 1 - claimed
    if batch.kind ~= 'l' then
      set('settled:' .. batch.epoch, math.max(number('settled:' .. batch.epoch), batch.last))
    else
      redis.call('HDEL', key('latecomer'), batch.epoch .. ':' .. text(batch.first))
    end
    set('outstanding', number('outstanding') - unclaimed)
    set('no_shows', number('no_shows') + unclaimed)
    if batch.epoch == room.epoch and batch.kind ~= 'o' then
      set('tokens', math.min(bucket_size((rate_at(NOW))), number('tokens') + unclaimed))
    end
  end
end

local function live_sessions()
  redis.call('ZREMRANGEBYSCORE', key('sessions'), '-inf', NOW)
  redis.call('ZREMRANGEBYSCORE', key('hardends'), '-inf', NOW)
  return redis.call('ZCARD', key('sessions'))
end

local function free_capacity()
  local _, _, capacity = rate_at(NOW)
  if not capacity then
    return math.huge
  end
  return math.max(0, capacity - live_sessions() - number('outstanding'))
end

-- After a loss of data nothing is released until every process seen since has told its live sessions; a minute at the most.
-- Returns how long that may still take, nil where it is over.
local function recovering()
  local left = number('lost_us') + RECOVERY_LONGEST - NOW
  if left <= 0 then
    return nil
  end
  if left > RECOVERY_LONGEST - RECOVERY_SHORTEST then
    return left
  end
  for _, epoch in ipairs(redis.call('HVALS', key('restored'))) do
    if epoch ~= room.epoch then
      return left
    end
  end
  return nil
end

local function has_closed()
  local closes = number('closes_us')
  return closes > 0 and NOW >= closes
end

local function is_open()
  local opens = number('opens_us')
  if (room.hold or '') ~= '' or (opens > 0 and NOW < opens) or has_closed() then
    return false
  end
  if recovering() then
    return false
  end
  -- A draw which isn't published yet shows nobody a position, so nobody's turn can come.
  return room.order ~= 'draw' or (room.draw or '') ~= ''
end

local function take(count)
  set('tokens', number('tokens') - count)
  set('outstanding', number('outstanding') + count)
end

local function add_batch(epoch, first, last, kind)
  local entry = kind == 'r' and redis.call('LINDEX', key('batches'), -1)
  local newest = entry and parse_batch(entry)
  local same_second = newest and math.floor(newest.at / SECOND) == math.floor(NOW / SECOND)
  if same_second and newest.kind == 'r' and newest.epoch == epoch and newest.last + 1 == first then
    newest.last, newest.at = last, NOW
    redis.call('LSET', key('batches'), -1, batch_entry(newest))
    return
  end
  redis.call('RPUSH', key('batches'), batch_entry({ epoch = epoch, first = first, last = last, at = NOW, kind = kind }))
end

-- Late buyers who came back are served before new places are released.
local function serve_late(available)
  local served = 0
  while served < available do
    local member = redis.call('LPOP', key('late'))
    if not member then
      break
    end
    local epoch, position = string.match(member, '^(%d+):(%d+)$')
    redis.call('HSET', key('latecomer'), member, 's')
    add_batch(epoch, tonumber(position), tonumber(position), 'l')
    served = served + 1
  end
  if served > 0 then
    take(served)
  end
  return served
end

local function release_places(available)
  for _, epoch in ipairs(epochs()) do
    local released = number('released:' .. epoch)
    local count = math.min(available, line_end(epoch) - released)
    if count > 0 then
      set('released:' .. epoch, released + count)
      add_batch(epoch, released + 1, released + count, 'r')
      take(count)
      available = available - count
    end
  end
end

-- The whole turn of the wheel, in the order which the promises rest on.
local function turn()
  freeze_draw()
  load_segments()
  refill()
  trim_segments()
  settle_no_shows()
  if is_open() then
    local available = math.min(math.floor(number('tokens')), free_capacity(), LARGEST_TURN)
    if available > 0 then
      release_places(available - serve_late(available))
    end
  end
end
