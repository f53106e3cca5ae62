-- Epochs: what a process knows of lines which the store may have lost, put back.

-- Tells whether a process knows of more than we do. Later than a minute after the epoch began, a place alone tells of no loss: who
-- comes back one by one would hold up the line again and again.
local function is_behind(offered)
  local names = { 'released:', 'settled:' }
  if NOW - number('entered_us') < RECOVERY_LONGEST then
    names[#names + 1] = 'tail:'
  end
  local columns = { ['tail:'] = 2, ['released:'] = 3, ['settled:'] = 4 }
  for _, line in ipairs(offered.known) do
    for _, name in ipairs(names) do
      if number(name .. tostring(line[1])) < tonumber(line[columns[name]]) then
        return true
      end
    end
  end
  return false
end

-- Data was lost. Whoever is the first to tell begins the time in which live sessions are told, be it the one who entered or not.
local function note_loss()
  local since = NOW - number('lost_us')
  if number('lost_us') < number('entered_us') or since >= RECOVERY_LONGEST then
    set('lost_us', NOW)
    redis.call('DEL', key('restored'))
  end
end

-- The order of the line that was lost, from a process which saw it in an epoch before this one: {epoch, order, beacon_source}.
local function put_back_order(seen)
  if seen and seen[2] ~= '' and tonumber(seen[1]) < tonumber(room.epoch) and (room.pool or '') == '' then
    set('order', seen[2])
    set('beacon_source', seen[3])
  end
end

-- A process offers what it has seen, as {known = {{epoch, tail, released, settled, shift}, ...}, draw, pool, operated, order,
-- config}. Counters only grow, so whatever is higher than ours was lost here. Released places get a claim window anew; whether they
-- were claimed may be lost as well, so none of them is refunded.
local function put_back(offered)
  if is_behind(offered) then
    note_loss()
    put_back_order(offered.order)
  end
  for _, line in ipairs(offered.known) do
    local epoch = tostring(line[1])
    local list, found = epochs(), false
    for _, other in ipairs(list) do
      found = found or other == epoch
    end
    if not found then
      list[#list + 1] = epoch
      join_epochs(list)
    end
    local released, settled = number('released:' .. epoch), tonumber(line[4])
    for index, name in ipairs({ 'tail:', 'released:', 'settled:', 'shift:' }) do
      set(name .. epoch, math.max(number(name .. epoch), tonumber(line[index + 1])))
    end
    local first, last = math.max(released, settled) + 1, number('released:' .. epoch)
    if last >= first and released < last then
      redis.call('RPUSH', key('batches'), batch_entry({ epoch = epoch, first = first, last = last, at = NOW, kind = 'o' }))
      set('outstanding', number('outstanding') + last - first + 1)
    end
  end
  -- The later change by an operator counts, whoever entered. Without a time, only what was never set here was lost.
  local operated = offered.operated or {}
  local later = (tonumber(operated.operated_us or '') or 0) > number('operated_us')
  for field, value in pairs(operated) do
    if later or room[field] == nil then
      set(field, value)
    end
  end
  -- A pool that nobody stood in was frozen by a process which knew of no pre-queue.
  local empty = (room.pool or '') == '' or not string.find(room.pool, ':[1-9]')
  if offered.pool ~= '' and empty then
    set('pool', offered.pool)
    set('draw', offered.draw)
  elseif offered.pool ~= '' and offered.pool == room.pool and (room.draw or '') == '' then
    set('draw', offered.draw)
  end
end
