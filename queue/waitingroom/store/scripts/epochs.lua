-- Epochs: what a process knows of lines which the store may have lost, put back.

-- A process offers the counters it has seen, as {known = {{epoch, tail, released, settled, shift}, ...}, draw, pool, operated}. Counters only
-- grow, so whatever is higher than ours was lost here. Released places get a claim window anew; whether they were claimed may be
-- lost as well, so none of them is refunded.
local function put_back(offered)
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
  -- What an operator has set since, or taken back, stays: only what was never set here was lost.
  for field, value in pairs(offered.operated or {}) do
    if room[field] == nil then
      set(field, value)
    end
  end
  -- A pool that nobody stood in was frozen by a process which knew of no pre-queue.
  local empty = (room.pool or '') == '' or not string.find(room.pool, ':[1-9]')
  if offered.pool ~= '' and empty then
    set('pool', offered.pool)
    set('draw', offered.draw)
  end
end

local function is_behind(offered)
  for _, line in ipairs(offered.known) do
    for index, name in ipairs({ 'tail:', 'released:', 'settled:' }) do
      if number(name .. tostring(line[1])) < tonumber(line[index + 1]) then
        return true
      end
    end
  end
  return false
end
