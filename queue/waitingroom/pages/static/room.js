// Keeps the page up to date: joins by itself, listens to the line's frames, and asks for the status where those don't come.
// What it says is said by words.js; where a place stands in a frame, by line.js. The page works without all of it.
import { listen } from "./feed.js";
import { stand } from "./line.js";
import { Words } from "./words.js";

const find = (id) => document.getElementById(id);
const page = JSON.parse(find("data").textContent);
const words = new Words(page.language, page.texts);
const base = `/${page.onsale}`;
const IN_LINE = ["prequeue", "waiting", "held"];
const TURN = ["released", "late", "next", "admitted"];
const OVER = ["closed", "soldout"];
const WITHOUT_PLACE = ["outside", "early", "ended", "moved", "uninvited"];
const ANNOUNCE_EVERY_MS = 15_000;
const CHECK_EVERY_S = 60;
const json = { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" };

let now = {
  state: page.state, ahead: page.ahead, eta: null, reason: null, hold: "", message: null, stale: false, rate: null,
  opens: page.opens, claimBy: page.claim_by,
};
let place = { number: page.number, epoch: page.epoch, lineEpoch: page.line_epoch, position: page.position };
let start = page.start;
let offset_s = page.as_of === null ? 0 : page.as_of - Date.now() / 1000;
let failures = 0, timer = 0;
let feed = null;
let joined = false;
let armed = null;
let record = null;

const roomTime = () => Date.now() / 1000 + offset_s;
const isAlive = () => feed !== null && feed.alive();

// --- showing

function setText(id, text) {
  const element = find(id);
  if (element.textContent !== text) element.textContent = text;
}

// Hides or shows; focus in what goes away is put on the headline, so that nobody who uses a keyboard is thrown to the top.
function setShown(id, shown) {
  const element = find(id);
  if (element.hidden === !shown) return;
  if (!shown && element.contains(document.activeElement)) find("headline").focus();
  element.hidden = !shown;
}

function lead() {
  if (now.state === "prequeue") return page.drawn ? "lead.draw" : "lead.arrival";
  return `lead.${now.state}`;
}

function pace() {
  if (now.state === "prequeue") return words.text("pace.closed_doors");
  if (now.reason) return words.slow(now.reason);
  return now.rate === null ? null : words.pace(now.rate);
}

function wait() {
  if (now.state === "held") return words.text("figure.paused");
  return now.eta ? words.wait(now.eta) : words.text("figure.unknown");
}

function show(before) {
  const { state } = now;
  document.body.dataset.state = state;
  if (page.texts[`headline.${state}`]) {
    setText("headline", words.text(`headline.${state}`));
    setText("lead", words.text(lead()));
  }
  setShown("figures", IN_LINE.includes(state));
  setShown("opening", ["early", "prequeue"].includes(state));
  setShown("turn", TURN.includes(state));
  setShown("join", ["outside", "ended", "moved"].includes(state));
  setShown("notify-line", IN_LINE.includes(state));
  setShown("notified", IN_LINE.includes(state) && armed !== null);
  setShown("hold", state === "held" && now.hold !== "");
  setShown("notice", !OVER.includes(state) && (!WITHOUT_PLACE.includes(state) || failures > 0));
  setShown("actions", [...IN_LINE, "early", "late", "next", "released"].includes(state));
  setShown("get-code", [...IN_LINE, "released", "late", "next"].includes(state));
  setText("hold-text", now.hold);
  if (now.message !== null) {
    setShown("message", now.message !== "");
    setText("message-text", now.message);
  }
  const unknown = words.text(state === "prequeue" ? "figure.at_draw" : "figure.unknown");
  if (IN_LINE.includes(state)) {
    setText("ahead", now.ahead === null ? unknown : words.number(now.ahead));
    setText("number", place.number === null ? "" : words.number(place.number));
    setText("position", place.position === null ? unknown : words.number(place.position));
    setText("eta", wait());
    const text = pace();
    if (text !== null) setText("pace", text);
    showProgress();
  }
  if (state === "released") {
    const minutes = Math.max(1, Math.round(page.claim_within / 60));
    setText("enter-by", now.claimBy ? words.text("turn.until", { time: words.time(now.claimBy) }) : words.count("turn.within", minutes));
  } else if (TURN.includes(state)) setText("enter-by", "");
  find("enter").querySelector("button").textContent = words.text(state === "admitted" ? "button.shop" : "button.enter");
  showConnection();
  tick();
  if (before !== state && state === "released") {
    document.title = `${words.text("headline.released")} – ${page.title}`;
    if (armed) armed.ring(words.text("headline.released"), words.text("notify.body", { title: page.title }));
  }
  announce(before);
}

function showProgress() {
  if (now.ahead === null || now.state === "prequeue") return;
  if (start === null || now.ahead > start) {
    start = now.ahead;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `tidegate_start=${place.epoch}.${place.number}.${start}; Path=${base}; SameSite=Lax; Max-Age=86400${secure}`;
  }
  const bar = find("progress");
  bar.max = Math.max(1, start);
  bar.value = start - now.ahead;
}

function showConnection() {
  const lost = failures > 0;
  find("notice").classList.toggle("worry", lost || now.stale);
  if (!WITHOUT_PLACE.includes(now.state)) setText("notice", words.text(lost ? "notice.lost" : now.stale ? "notice.stale" : "notice.kept"));
}

function tick() {
  const opens_s = now.opens === null ? null : now.opens - roomTime();
  const counting = opens_s !== null && ["early", "prequeue"].includes(now.state);
  find("countdown").closest(".scripted").hidden = !counting;
  if (counting) setText("countdown", words.countdown(opens_s));
  const leaving = now.state === "released" && now.claimBy;
  setShown("left-line", Boolean(leaving));
  if (leaving) {
    setText("left", words.countdown(now.claimBy - roomTime()));
    if (roomTime() > now.claimBy + 1 && !tick.asked) { tick.asked = true; ask(Math.random() * 2); }
  }
}

// --- announcements, at most every 15 s; of several the newest is read out

let announcedAt = 0;
let waitingToSay = "";
let said = "";

function announce(before) {
  let text = words.text(`headline.${page.texts[`headline.${now.state}`] ? now.state : "waiting"}`);
  if (now.state === "waiting" && now.ahead !== null) text = words.count("announce.waiting", now.ahead, { wait: wait() });
  else if (page.texts[lead()]) text += ` ${words.text(lead())}`;
  if (failures > 0) text = words.text("notice.lost");
  if (before === undefined) { said = text; return; }
  if (text === said || text === waitingToSay) return;
  const later = announcedAt + ANNOUNCE_EVERY_MS - Date.now();
  if (!waitingToSay) setTimeout(speak, Math.max(0, later));
  waitingToSay = text;
}

function speak() {
  announcedAt = Date.now();
  said = waitingToSay;
  waitingToSay = "";
  find("announcer").textContent = said;
}

// --- what the room tells

function change(news) {
  const before = now.state;
  now = { ...now, ...news };
  if (now.state !== before && now.state === "released") tick.asked = false;
  show(before);
}

function takeStatus(status) {
  offset_s = status.as_of - Date.now() / 1000;
  place = { number: status.number, epoch: status.epoch, lineEpoch: lineOf(status), position: status.position };
  keepRecord(status.draw);
  const next = now.state === "next" && status.state === "late";
  change({
    state: status.state === "closed" && status.soldout ? "soldout" : next ? "next" : status.state,
    ahead: status.ahead, eta: status.eta_s, reason: status.eta_reason ?? null, hold: status.reason ?? "",
    message: status.message ?? "", stale: status.stale, rate: status.released_per_s || status.rate_per_s,
    opens: status.opens ?? now.opens, claimBy: status.claim_by ?? null,
  });
  setText("updated", words.text("updated.at", { time: words.time(status.as_of) }));
}

// Those who were drawn stand in the line of the last epoch that took part; the record says which those are.
function lineOf(status) {
  if (!status.draw) return status.epoch;
  const { pool } = JSON.parse(atob(status.draw.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  const part = pool.find(([epoch]) => epoch === status.epoch);
  return part && status.number <= part[1] ? pool[pool.length - 1][0] : status.epoch;
}

function takeFrame(frame) {
  offset_s = frame.as_of - Date.now() / 1000;
  failures = 0;
  const found = stand(frame, { epoch: place.lineEpoch, position: place.position });
  setText("updated", words.text("updated.at", { time: words.time(frame.as_of) }));
  if (WITHOUT_PLACE.includes(now.state)) return;
  if (found === null || ["admitted", "next"].includes(now.state)) {
    change({ message: frame.message, opens: frame.opens ?? now.opens, stale: false });
    return;
  }
  // A room of an earlier version sends no ranges: the last one told stays.
  if (frame.eta === undefined && found.ahead) found.eta = now.eta;
  const state = found.state === "closed" && frame.soldout ? "soldout" : found.state;
  if (state === "released" && now.state !== "released") ask(0);
  change({
    ...found, state, reason: frame.eta_reason ?? null, hold: frame.hold, message: frame.message, stale: false,
    rate: frame.released_per_s || frame.rate_per_s, opens: frame.opens ?? now.opens,
  });
}

// Every status of a drawn line carries the draw's signed record. Kept here, it can be given back to a room that has lost it.
function keepRecord(signed) {
  record = signed ?? null;
  try {
    const name = `tidegate-draw-${page.onsale}`;
    if (signed) localStorage.setItem(name, signed);
    const kept = localStorage.getItem(name);
    if (signed === null && kept) {
      const headers = { ...json.headers, "Content-Type": "application/json" };
      fetch(`${base}/draw`, { ...json, method: "POST", headers, body: JSON.stringify({ record: kept }) }).catch(() => {});
    }
  } catch { /* a browser that keeps nothing: others do */ }
}

// --- asking

function ask(after_s) {
  clearTimeout(timer);
  timer = setTimeout(poll, after_s * 1000);
}

const backoff_s = () => Math.min(30, 2 ** failures) * (0.5 + Math.random());

async function poll() {
  try {
    const response = await fetch(`${base}/status`, { ...json, signal: AbortSignal.timeout(15_000) });
    if (response.status === 404 && joined) { cookiesAreOff(); return; }
    if (response.status === 404 || response.status === 410) { location.reload(); return; }
    if (!response.ok) throw new Error(response.status);
    const status = await response.json();
    failures = 0;
    takeStatus(status);
    if (OVER.includes(now.state)) { ask(CHECK_EVERY_S * (1 + Math.random())); return; }
    // While frames come they say what is new; the status is asked for where they cannot know it.
    const framesSay = isAlive() && ["waiting", "held"].includes(now.state);
    ask(framesSay ? Math.max(status.retry_after, CHECK_EVERY_S * (0.8 + 0.4 * Math.random())) : status.retry_after);
  } catch {
    failures += 1;
    change({});
    ask(backoff_s());
  }
}

function hearTheLine() {
  feed = listen(page.onsale, takeFrame, (spread_s) => { ask(Math.random() * spread_s); });
}

// --- joining and entering

function cookiesAreOff() {
  now = { ...now, state: "outside" };
  show("waiting");
  sayNotice("notice.cookies");
}

function sayNotice(key) {
  setText("notice", words.text(key));
  find("notice").classList.add("worry");
  find("notice").hidden = false;
}

async function join() {
  setShown("join", false);
  setText("headline", words.text("headline.joining"));
  setText("lead", words.text("lead.joining"));
  try {
    const response = await fetch(`${base}/join`, { ...json, method: "POST", signal: AbortSignal.timeout(15_000) });
    if (response.ok) {
      failures = 0;
      joined = true;
      const status = await response.json();
      takeStatus(status);
      hearTheLine();
      ask(Math.min(status.retry_after, 5));
      return;
    }
    const problem = await response.json();
    // Asking again would not help: let the page that explains it come.
    if (problem.retry_after === undefined && response.status < 500) { find("join").submit(); return; }
    if (problem.reason) { location.reload(); return; }
    sayNotice(response.status === 429 ? "notice.busy" : "notice.unreached");
    setTimeout(join, 1000 * (problem.retry_after ?? 5) * (0.8 + 0.4 * Math.random()));
  } catch {
    failures += 1;
    sayNotice("notice.unreached");
    setTimeout(join, backoff_s() * 1000);
  }
}

// A buyer whose turn has passed is served as soon as there is room: ask until then, once they have asked.
async function enterLate() {
  if (now.state !== "next") change({ state: "next" });
  let wait_s = 3;
  try {
    const response = await fetch(`${base}/enter${page.query}`, { ...json, method: "POST", signal: AbortSignal.timeout(15_000) });
    if (response.ok) { location.assign((await response.json()).location); return; }
    if (response.status === 404 || response.status === 410) { location.reload(); return; }
    const answer = await response.json();
    if (answer.state === "ended") { location.assign(`${base}/?ended=1`); return; }
    failures = 0;
    wait_s = answer.retry_after ?? wait_s;
    showConnection();
  } catch {
    failures += 1;
    change({});
    wait_s = backoff_s();
  }
  setTimeout(enterLate, wait_s * 1000);
}

find("enter").addEventListener("submit", (event) => {
  if (now.state !== "late") return;
  event.preventDefault();
  enterLate();
});

// --- what only a page with scripts has

find("notify").addEventListener("click", async () => {
  const bell = await import("./bell.js");
  const both = await bell.arm();
  armed = bell;
  find("notify").setAttribute("aria-pressed", "true");
  setText("notified", words.text(both ? "notify.both" : "notify.sound"));
  find("notified").hidden = false;
});

// The fingerprint counts as this device saw it first.
function announcedFingerprint() {
  try {
    const name = `tidegate-seed-${page.onsale}`;
    if (!localStorage.getItem(name)) localStorage.setItem(name, page.fingerprint);
    return localStorage.getItem(name);
  } catch {
    return page.fingerprint;
  }
}

find("check")?.addEventListener("click", async () => {
  const say = (key, values) => words.text(`draw.${key}`, values);
  setText("checked", say("checking"));
  try {
    if (record === null) {
      const answer = await fetch(`${base}/draw`, json);
      record = (await answer.json()).record;
    }
    if (record === null) { setText("checked", say("not_yet")); return; }
    const { check } = await import("./draw.js");
    const { keys } = await (await fetch("/.well-known/jwks.json", { ...json, cache: "default" })).json();
    const results = await check(record, keys, place, announcedFingerprint());
    const numbers = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, words.number(value)]));
    setText("checked", results.map(([key, values]) => say(key, numbers(values))).join(" "));
  } catch {
    setText("checked", say("unable"));
  }
});

// --- beginning

for (const part of document.querySelectorAll(".unscripted")) part.remove();
for (const part of document.querySelectorAll("#draw .scripted")) part.hidden = false;
find("notify-line").hidden = !IN_LINE.includes(page.state);
// Times as the buyer's own clock has them.
if (page.opens) setText("opens", words.moment(page.opens));
if (page.drawn) announcedFingerprint();
setInterval(tick, 1000);
tick();
announce(undefined);

if (page.state === "outside") join();
else if (page.state === "early") setTimeout(join, Math.max(0, page.opens - roomTime()) * 1000 + Math.random() * 5000);
else if (page.state === "next") enterLate();
else if (!["ended", "moved", "uninvited", "admitted"].includes(page.state)) {
  hearTheLine();
  ask(page.retry_after ?? 5);
}

window.addEventListener("online", () => { if (!WITHOUT_PLACE.includes(now.state)) ask(Math.random()); });
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !isAlive() && !["admitted", "next", ...WITHOUT_PLACE].includes(now.state)) ask(0);
});
