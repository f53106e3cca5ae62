-- Exchanges a released place for a session, exactly once.
-- ARGV: epoch, position, session id, length of a session (us), its hard end (us from the first claim), then the place as the buyer
-- shows it: epoch:number, generation, account ('' for none), device, issued (ms), and the sessions which it would have opened in
-- earlier generations, the latest first.
-- Reply: outcome, end of the session (us) or 0, its hard end (us) or 0, NOW. Outcomes: admitted, again (the same session, still live), ended (claimed
-- before, the session is over), waiting (not its turn), late (its window has passed; registered, served before new releases),
-- moved (another device holds the place, or the account another place).
if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end
local epoch, position, session = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local length, longest = tonumber(ARGV[4]), tonumber(ARGV[5])
local place, generation, account = ARGV[6], tonumber(ARGV[7]), ARGV[8]

local function none(outcome)
  return { outcome, '0', '0', text(NOW) }
end

local function again(expires)
  local ends = tonumber(redis.call('ZSCORE', key('hardends'), session) or '')
  if not ends then
    -- A session that was opened before hard ends were kept.
    ends = NOW + longest
    keep_session(session, expires, ends)
  end
  return { 'again', text(expires), text(ends), text(NOW) }
end

local function enter()
  if room.codes_issued then
    drop_code(place)
  end
  if account ~= '' then
    local holder = account_of(account)
    holder.entered = true
    write_account(account, holder)
  end
end

local function claim()
  local expires, ends = NOW + math.min(length, longest), NOW + longest
  redis.call('SETBIT', key('claimed:' .. epoch), position - 1, 1)
  keep_session(session, expires, ends)
  set('outstanding', number('outstanding') - 1)
  set('claimed', number('claimed') + 1)
  enter()
  return { 'admitted', text(expires), text(ends), text(NOW) }
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
    return none('late')
  end
  redis.call('HDEL', key('latecomer'), member)
  return claim()
end

-- A session which this place opened on the device that held it before, in a store that had lost the move: the stay goes on for
-- the holder, and gates refuse the other device.
local function inherit()
  for i = 11, #ARGV do
    local expires = tonumber(redis.call('ZSCORE', key('sessions'), ARGV[i]) or '0')
    if expires > NOW then
      local ends = tonumber(redis.call('ZSCORE', key('hardends'), ARGV[i]) or '') or NOW + longest
      drop_session(ARGV[i])
      keep_session(session, expires, ends)
      tell_ended(ARGV[i], 'revoke', math.ceil(longest / 1000) + 60000)
      return
    end
  end
end

local function outcome()
  if not holds(place, generation, account, ARGV[9], ARGV[10]) then
    return none('moved')
  end
  inherit()
  local expires = tonumber(redis.call('ZSCORE', key('sessions'), session) or '0')
  if redis.call('GETBIT', key('claimed:' .. epoch), position - 1) == 1 then
    return expires > NOW and again(expires) or none('ended')
  end
  if expires > NOW then
    -- The store lost that this place was claimed, and the gate has restored its session.
    redis.call('SETBIT', key('claimed:' .. epoch), position - 1, 1)
    if position > number('settled:' .. epoch) then
      set('outstanding', number('outstanding') - 1)
    end
    enter()
    return again(expires)
  end
  if position > number('released:' .. epoch) then
    return none('waiting')
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
