-- Turns the wheel and reports. Any process may call it at any moment, any number of times.
-- ARGV: the process, the epoch to which it has told its live sessions, what it knows that we lost ('' for nothing), and how many
-- moves of places it has heard of. Beside the snapshot, the reply names the latest of those it has not.
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
if ARGV[3] ~= '' then
  put_back(cjson.decode(ARGV[3]))
  apply_overrides()
end
if NOW - number('lost_us') < RECOVERY_LONGEST then
  redis.call('HSET', key('restored'), ARGV[1], ARGV[2])
end
turn()
publish()
save_room()
local reply = snapshot()
reply[#reply + 1] = 'moves'
reply[#reply + 1] = text(number('moves'))
local unheard = number('moves') - tonumber(ARGV[4])
if unheard > 0 then
  reply[#reply + 1] = 'moved'
  reply[#reply + 1] = table.concat(redis.call('LRANGE', key('movelog'), -math.min(unheard, LONGEST_LOG), -1), ',')
end
return reply
