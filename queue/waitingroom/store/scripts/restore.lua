-- Tells a store which may have lost them who holds which places. Nothing that is known better here is changed.
-- ARGV: of each place epoch:number, generation, account ('' for none), device and time of issue (ms). Reply: how many hold still.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local held = 0
for i = 1, #ARGV, 5 do
  if holds(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) then
    held = held + 1
  end
end
save_room()
return held
