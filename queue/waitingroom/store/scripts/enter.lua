-- Run by a process which finds that this server doesn't know its scripts: a new server, or one which was started again. If it is
-- not the one that was here before (by its run id), or has no data, a new epoch begins, with an empty bucket.
-- ARGV: what the process knows (see epochs.lua), then field and value of each setting.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local offered = cjson.decode(ARGV[1])
local known = load_room()

local function wanted_config()
  for i = 2, #ARGV, 2 do
    if ARGV[i] == 'config' then
      return ARGV[i + 1]
    end
  end
end

if not known then
  put_in_force(2)
end
local newest = tonumber(room.epoch or '0') or 0
local ours = newest
for _, line in ipairs(offered.known) do
  newest = math.max(newest, tonumber(line[1]))
end
-- A former master that comes back is the recorded one, but a later epoch has begun elsewhere.
if not known or room.run_id ~= server or newest > ours then
  if known and offered.config == wanted_config() then
    -- This process saw its document in force last: a store that was rolled back may know an older one.
    put_in_force(2)
  end
  local epoch = string.format('%.0f', math.max(math.floor(NOW / 1000), newest + 1))
  local list = epochs()
  list[#list + 1] = epoch
  join_epochs(list)
  set('epoch', epoch)
  set('run_id', server)
  set('tokens', 0)
  set('refilled_us', NOW)
  set('entered_us', NOW)
end
put_back(offered)
save_room()
apply_overrides()
freeze_draw()
publish()
save_room()
return snapshot()
