-- Carries out what an operator or the shop asks. The time until now is settled at the old settings; the change counts from now on.
-- ARGV: what to write into the audit list (a JSON object, '' for nothing), the verb, then what the verb needs:
--   set       field and value of each change; '' takes a value back
--   open      nothing: the onsale opens now, or goes on after an operator's closing
--   reopen    nothing: opening and closing are those of the document again
--   beacon    the value of the beacon that was announced for the draw
--   close     nothing: the onsale closes now
--   soldout   '1' or '' (not sold out after all)
--   revoke, complete, abandon    session id, and for how long gates need to hear of it (ms)
-- Reply: 1 if the session was live, else 0; then the audit entry as it was written, or ''.
local AUDIT_LONGEST = 1000

if not load_room() then
  return redis.error_reply('UNCONFIGURED the store knows no settings of this onsale')
end

local verb = ARGV[2]
local before, after = {}, {}
local live = 0

local function change(field, value)
  before[field] = room[field] or ''
  set(field, value)
  after[field] = room[field]
  if room[field] ~= before[field] then
    -- Grows with each change, also where the clock was set back: processes tell by it which is the latest.
    set('operated_us', math.max(NOW, number('operated_us') + 1))
  end
end

local function documented(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '0') or 0
end

local verbs = {}

function verbs.set()
  for i = 3, #ARGV, 2 do
    change(ARGV[i], ARGV[i + 1])
  end
end

function verbs.open()
  local closes = documented('closes_us')
  if closes > 0 and closes <= NOW then
    return 'the closing time of the document has passed; write a later one there'
  end
  if (room.soldout or '') ~= '' then
    return 'the onsale is sold out; take that back first'
  end
  if (room.ops_closes_us or '') ~= '' then
    change('ops_closes_us', '')
  end
  for _, field in ipairs({ 'prequeue_us', 'opens_us' }) do
    if number(field) > NOW then
      change('ops_' .. field, NOW)
    end
  end
end

function verbs.reopen()
  if (room.pool or '') ~= '' and documented('opens_us') > NOW then
    return 'the draw has been made; it cannot be taken back'
  end
  for _, field in ipairs({ 'ops_prequeue_us', 'ops_opens_us', 'ops_closes_us' }) do
    change(field, '')
  end
end

-- Given at the opening, and once: whoever could take a value back could choose among draws.
function verbs.beacon()
  if (room.beacon_source or '') == '' then
    return 'the document names no beacon'
  end
  if (room.pool or '') == '' then
    return 'the onsale has not opened yet; the value is given once nobody can join the draw any more'
  end
  if (room.beacon or '') ~= '' and room.beacon ~= ARGV[3] then
    return 'another value was given before; it stands'
  end
  if (room.beacon or '') == '' then
    if (room.draw or '') ~= '' then
      return 'the draw has been made'
    end
    change('beacon', ARGV[3])
  end
end

function verbs.close()
  change('ops_closes_us', NOW)
end

function verbs.soldout()
  if ARGV[3] == '' or (room.soldout or '') == '' then
    change('soldout', ARGV[3] == '' and '' or NOW)
  end
end

local function end_session()
  local session, keep = ARGV[3], tonumber(ARGV[4])
  local ends = tonumber(redis.call('ZSCORE', key('sessions'), session) or '0')
  if ends > NOW then
    live = 1
    drop_session(session)
  end
  -- A session that we have lost may still have a pass, so that a revocation is always told.
  if live == 1 or verb == 'revoke' then
    tell_ended(session, verb, keep)
    before.session, after.session = live == 1 and 'live' or 'unknown', verb
  else
    note_ended(session, keep)
  end
end

if verbs[verb] then
  turn()
  local conflict = verbs[verb]()
  if conflict then
    save_room()
    return redis.error_reply('CONFLICT ' .. conflict)
  end
  save_room()
else
  end_session()
end

local written = ''
if ARGV[1] ~= '' then
  local entry = cjson.decode(ARGV[1])
  entry.at_us, entry.before, entry.after = text(NOW), before, after
  written = cjson.encode(entry)
  redis.call('RPUSH', key('audit'), written)
  redis.call('LTRIM', key('audit'), -AUDIT_LONGEST, -1)
end
return { live, written }
