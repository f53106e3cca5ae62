-- Run by a process which finds that this server doesn't know its scripts: a new server, or one which was started again. If it is
-- not the one that was here before (by its run id), or has no data, a new epoch begins, with an empty bucket.
-- ARGV: what the process knows (see epochs.lua), then field and value of each setting.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local offered = cjson.decode(ARGV[1])
local known = load_room()
local lost = is_behind(offered)

if not known then
  for i = 2, #ARGV, 2 do
    set(ARGV[i], ARGV[i + 1])
  end
end
local newest = tonumber(room.epoch or '0') or 0
local ours = newest
for _, line in ipairs(offered.known) do
  newest = math.max(newest, tonumber(line[1]))
end
-- A former master that comes back is the recorded one, but a later epoch has begun elsewhere.
if not known or room.run_id ~= server or newest > ours then
  local epoch = string.format('%.0f', math.max(math.floor(NOW / 1000), newest + 1))
  local list = epochs()
  list[#list + 1] = epoch
  join_epochs(list)
  set('epoch', epoch)
  set('run_id', server)
  set('tokens', 0)
  set('refilled_us', NOW)
  set('entered_us', NOW)
  if lost then
    set('lost_us', NOW)
    redis.call('DEL', key('restored'))
  end
end
put_back(offered)
save_room()
apply_overrides()
freeze_draw()
publish()
save_room()
return snapshot()
