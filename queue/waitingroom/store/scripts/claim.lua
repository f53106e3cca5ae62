-- Exchanges a released place for a session, exactly once.
-- ARGV: epoch, position, session id, length of a session (us), its hard end (us from its begin).
-- Reply: outcome, end of the session (us) or 0, NOW. Outcomes: admitted, again (the same session, still live), ended (claimed
-- before, the session is over), waiting (not its turn), late (its window has passed; registered, served before new releases).
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local epoch, position, session = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local length, longest = tonumber(ARGV[4]), tonumber(ARGV[5])

local function claim()
  local expires = NOW + math.min(length, longest)
  redis.call('SETBIT', key('claimed:' .. epoch), position - 1, 1)
  redis.call('ZADD', key('sessions'), text(expires), session)
  set('outstanding', number('outstanding') - 1)
  set('claimed', number('claimed') + 1)
  return { 'admitted', text(expires), text(NOW) }
end

local function claim_late()
  local member = string.format('%s:%.0f', epoch, position)
  local served = redis.call('HGET', key('latecomer'), member)
  if not served then
    redis.call('RPUSH', key('late'), member)
    redis.call('HSET', key('latecomer'), member, 'w')
    turn()
    served = redis.call('HGET', key('latecomer'), member)
  end
  if served ~= 's' then
    return { 'late', '0', text(NOW) }
  end
  redis.call('HDEL', key('latecomer'), member)
  return claim()
end

local function outcome()
  if redis.call('GETBIT', key('claimed:' .. epoch), position - 1) == 1 then
    local expires = redis.call('ZSCORE', key('sessions'), session)
    if expires and tonumber(expires) > NOW then
      return { 'again', text(tonumber(expires)), text(NOW) }
    end
    return { 'ended', '0', text(NOW) }
  end
  local expires = tonumber(redis.call('ZSCORE', key('sessions'), session) or '0')
  if expires > NOW then
    -- The store lost that this place was claimed, and the gate has restored its session.
    redis.call('SETBIT', key('claimed:' .. epoch), position - 1, 1)
    if position > number('settled:' .. epoch) then
      set('outstanding', number('outstanding') - 1)
    end
    return { 'again', text(expires), text(NOW) }
  end
  if position > number('released:' .. epoch) then
    return { 'waiting', '0', text(NOW) }
  end
  if position > number('settled:' .. epoch) then
    return claim()
  end
  return claim_late()
end

turn()
local reply = outcome()
save_room()
return reply
