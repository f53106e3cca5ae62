-- Turns the wheel and reports. Any process may call it at any moment, any number of times.
-- ARGV: the process, the epoch to which it has told its live sessions, and what it knows that we lost ('' for nothing).
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
if ARGV[3] ~= '' then
  put_back(cjson.decode(ARGV[3]))
end
if NOW - number('lost_us') < RECOVERY_LONGEST then
  redis.call('HSET', key('restored'), ARGV[1], ARGV[2])
end
turn()
publish()
save_room()
return snapshot()
