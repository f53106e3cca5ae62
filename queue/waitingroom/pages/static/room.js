// Keeps the page up to date: joins by itself, listens to the line's frames, and asks for the status where those don't come.
// words.js says it, display.js shows it, line.js finds the place in a frame. The page works without all of it.
import { announce } from "./announcer.js";
import { backoff_s } from "./backoff.js";
import { show, showClocks } from "./display.js";
import { listen } from "./feed.js";
import { spread, stand } from "./line.js";
import { enter, join } from "./moves.js";
import { IN_LINE, OVER, WITHOUT_PLACE, ask, find, page, words } from "./page.js";
import { announcedFingerprint, answerCheck, drawnPlace, keepRecord, lineOf, offerCheck, prepareDraw } from "./proof.js";

const CHECK_EVERY_S = 20;
const JUMP_MS = 90_000;
const LEAST_SPREAD_S = 2;
const JOIN_SPREAD_S = Math.random() * 5;
// What a question may take, and the copies of the room's processes differ by. A store's clock that was put back further counts anew.
const OUTDATED_WITHIN_S = 20;

let now = {
  state: page.state, number: page.number, epoch: page.epoch, position: page.position, ahead: page.ahead, eta: page.eta,
  reason: page.reason, rate: page.rate, hold: find("hold-text").textContent, message: find("message-text").textContent,
  stale: page.stale, opens: page.opens, claimBy: page.claim_by, asOf: page.as_of,
  failures: 0, problem: "", entering: false, armed: "",
};
let lineEpoch = page.line_epoch;
let isDrawn = page.drawn;
let lastFrame = null;
let placing = false;
let toldToAsk_s = page.retry_after ?? 5;
let offset_s = null;
let timer = 0;
let feed = null;
let bell = null;
let joined = false;
let overtime = false;

// The room's time. What is told was true a moment ago, or long ago where the line stands still or the store is lost: the latest counts.
const roomTime = () => Date.now() / 1000 + (offset_s ?? 0);
function setClock(asOf) {
  const told_s = asOf - Date.now() / 1000;
  offset_s = offset_s === null ? told_s : Math.max(offset_s, told_s);
}
const isAlive = () => feed !== null && feed.alive();
const isPlaced = () => !WITHOUT_PLACE.includes(now.state);

function change(news) {
  const before = now.state, unplaced = now.position === null;
  now = { ...now, ...news };
  if (before !== now.state) overtime = false;
  show(now);
  tick();
  announce(now);
  if (unplaced && now.position !== null) answerCheck(now);
  if (before !== now.state && now.state === "released" && bell) {
    bell.ring(words.text("headline.released"), words.text("notify.body", { title: page.title }));
  }
}

// --- what the room tells

function takeStatus(status) {
  setClock(status.as_of);
  toldToAsk_s = status.retry_after;
  lineEpoch = lineOf(status);
  isDrawn = status.draw !== undefined;
  keepRecord(status.draw);
  const next = now.state === "next" && status.state === "late";
  change({
    state: status.state === "closed" && status.soldout ? "soldout" : next ? "next" : status.state,
    number: status.number, epoch: status.epoch, position: status.position, ahead: status.ahead, eta: status.eta_s,
    reason: status.eta_reason ?? null, hold: status.reason ?? "", message: status.message ?? "", stale: status.stale,
    rate: status.released_per_s || status.rate_per_s, opens: status.opens ?? now.opens, claimBy: status.claim_by ?? null,
    asOf: Math.max(now.asOf ?? 0, status.as_of), failures: 0,
  });
}

function takeFrame(frame) {
  setClock(frame.as_of);
  if (!isPlaced()) return;
  // To a new listener the last frame is sent, however old it is.
  if (now.asOf !== null && frame.as_of < now.asOf) { change({ failures: 0 }); return; }
  lastFrame = frame;
  if (frame.draw && now.position === null) takeDraw(frame.draw);
  const heard = { message: frame.message, opens: frame.opens ?? now.opens, asOf: frame.as_of, stale: false, failures: 0 };
  // Where nothing is drawn the number is the position.
  const position = now.position ?? (isDrawn ? null : now.number);
  const found = stand(frame, { epoch: lineEpoch, position });
  if (found === null && now.state === "prequeue" && ["open", "held"].includes(frame.phase)) {
    change({ ...heard, state: frame.hold ? "held" : "waiting", hold: frame.hold });
    return;
  }
  if (found === null || ["admitted", "next"].includes(now.state)) { change(heard); return; }
  // A room of an earlier version sends no ranges: the last one told stays.
  if (frame.eta === undefined && found.ahead) found.eta = now.eta;
  const state = found.state === "closed" && frame.soldout ? "soldout" : found.state;
  if (state === "released" && now.state !== "released") askLater(0);
  change({
    ...heard, ...found, position, state, reason: frame.eta_reason ?? null, hold: frame.hold, rate: frame.released_per_s || frame.rate_per_s,
  });
}

// At the opening all who listen learn their positions without a question, from the draw's record.
async function takeDraw(signed) {
  if (placing) return;
  placing = true;
  keepRecord(signed);
  const found = await drawnPlace(signed, now);
  placing = false;
  if (found === null || now.position !== null) return;
  lineEpoch = found.epoch;
  change({ position: found.position });
  takeFrame(lastFrame);
}

// --- asking

function askLater(after_s) {
  clearTimeout(timer);
  timer = setTimeout(poll, after_s * 1000);
}

// Whether an answer was overtaken: it says where the buyer stood in line before what is known, from frames or a later question.
// Nobody is sent back by it from the turn to the line, or from an open line to its pre-queue.
const isOutdated = ({ state, as_of }) => isPlaced() && IN_LINE.includes(state) && state !== now.state
  && as_of < now.asOf && as_of > now.asOf - OUTDATED_WITHIN_S;

async function poll() {
  try {
    const response = await ask("/status");
    if (response.status === 404 && joined) { change({ state: "outside", problem: "notice.cookies" }); return; }
    if (response.status === 404 || response.status === 410) { location.reload(); return; }
    if (!response.ok) throw new Error(response.status);
    const status = await response.json();
    if (isOutdated(status)) {
      change({ failures: 0 });
      askLater(LEAST_SPREAD_S * (0.5 + Math.random()));
      return;
    }
    takeStatus(status);
    if (OVER.includes(now.state)) { askLater(3 * CHECK_EVERY_S * (1 + Math.random())); return; }
    // While frames come they say what is new; the status is asked for where they cannot know it.
    const framesSay = isAlive() && ["waiting", "held"].includes(now.state);
    askLater(framesSay ? Math.max(status.retry_after, CHECK_EVERY_S * (0.8 + 0.4 * Math.random())) : status.retry_after);
  } catch {
    change({ failures: now.failures + 1 });
    askLater(backoff_s(now.failures));
  }
}

const sayLost = () => change({ failures: now.failures || 1 });

function hearTheLine() {
  if (isDrawn && now.position === null) prepareDraw();
  feed = listen(page.onsale, takeFrame, () => {
    // A process that ends cuts many off at once.
    askLater(Math.random() * Math.max(LEAST_SPREAD_S, spread(lastFrame, now.ahead) ?? toldToAsk_s));
  }, sayLost);
}

// --- time

let ticked = { clock: Date.now(), steady: performance.now() };

function tick() {
  const opens_s = now.opens === null ? null : now.opens - roomTime();
  const left_s = now.state === "released" && now.claimBy ? now.claimBy - roomTime() : null;
  showClocks(["early", "prequeue"].includes(now.state) ? opens_s : null, left_s);
  if (left_s !== null && left_s < -1 && !overtime) { overtime = true; askLater(Math.random() * 2); }
  if (now.state === "early" && opens_s !== null && opens_s + JOIN_SPREAD_S < 0) joinTheLine();
}

// Notices that the device slept, or that its clock was put right: what is shown holds no longer.
function watchTheClock() {
  const past_ms = Date.now() - ticked.clock;
  const ahead_ms = past_ms - (performance.now() - ticked.steady);
  const jumped = Math.abs(ahead_ms) > 2000 || past_ms > JUMP_MS;
  ticked = { clock: Date.now(), steady: performance.now() };
  // As if the clock had been put right; if the device slept, the answer says so.
  if (jumped && offset_s !== null) offset_s -= ahead_ms / 1000;
  if (jumped && isPlaced() && now.state !== "admitted") askLater(Math.random() * 2);
  else if (jumped) ask("/state").then((response) => response.json()).then((state) => setClock(state.as_of)).catch(() => {});
}

// --- moving

function joinTheLine() {
  join(change, (status) => {
    joined = true;
    takeStatus(status);
    hearTheLine();
    askLater(Math.min(status.retry_after, 5));
  });
}

function enterTheShop() {
  if (["late", "next"].includes(now.state)) change({ state: "next" });
  else change({ entering: true });
  enter(change, () => askLater(0));
}

find("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!now.entering) enterTheShop();
});

find("notify").addEventListener("click", async () => {
  bell = await import("./bell.js");
  change({ armed: (await bell.arm()) ? "notify.both" : "notify.sound" });
});

// --- beginning

for (const part of document.querySelectorAll(".unscripted")) part.remove();
for (const part of document.querySelectorAll("#draw .scripted")) part.hidden = false;
if (page.drawn) announcedFingerprint();
offerCheck(() => now);
if (page.as_of !== null) setClock(page.as_of);
setInterval(() => { watchTheClock(); tick(); }, 1000);
// Times as the buyer's own clock has them.
show(now);
tick();
announce(now);

if (page.state === "outside") joinTheLine();
else if (page.state === "next") enterTheShop();
if (isPlaced() && now.state !== "admitted") {
  hearTheLine();
  if (now.state !== "next") askLater(page.retry_after ?? 5);
}

window.addEventListener("online", () => { if (isPlaced()) askLater(Math.random()); });
window.addEventListener("offline", sayLost);
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => {
  show(now);
  if (!document.hidden && !isAlive() && isPlaced() && !["admitted", "next"].includes(now.state)) askLater(0);
});
