-- Puts an onsale's settings in force from now on; the time before is settled at the old ones.
-- ARGV: field and value of each setting. The order of a line in which somebody stands is not changed.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
turn()
put_in_force(1)
save_room()
apply_overrides()
publish()
save_room()
return snapshot()
