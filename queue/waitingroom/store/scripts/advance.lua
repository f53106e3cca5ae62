-- Turns the wheel and reports. Any process may call it at any moment, any number of times.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
turn()
publish()
save_room()
return snapshot()
