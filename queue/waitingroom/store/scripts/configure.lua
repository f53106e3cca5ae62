-- Puts an onsale's settings in force from now on; the time before is settled at the old ones.
-- ARGV: field and value of each setting.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
turn()
for i = 1, #ARGV, 2 do
  set(ARGV[i], ARGV[i + 1])
end
save_room()
apply_overrides()
publish()
save_room()
return snapshot()
