-- Puts an onsale's settings in force from now on; the time before is settled at the old ones. Opens the first epoch.
-- ARGV: known epoch, then field and value of each setting.
local known = load_room()
if known then
  turn()
end
for i = 2, #ARGV, 2 do
  set(ARGV[i], ARGV[i + 1])
end
if not room.epoch then
  local epoch = string.format('%.0f', math.max(math.floor(NOW / 1000), (tonumber(ARGV[1]) or 0) + 1))
  set('epoch', epoch)
  set('epochs', epoch)
  set('tokens', 0)
  set('refilled_us', NOW)
end
publish()
save_room()
return snapshot()
