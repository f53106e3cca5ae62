// The proof of the draw: what this device has seen of it is kept here, and checked by draw.js when the buyer asks.
import { setText } from "./display.js";
import { ask, find, page, words } from "./page.js";

let record = null;
let computing = null;
let awaited = false;

// The fingerprint counts as this device saw it first.
export function announcedFingerprint() {
  try {
    const name = `tidegate-seed-${page.onsale}`;
    if (!localStorage.getItem(name)) localStorage.setItem(name, page.fingerprint);
    return localStorage.getItem(name);
  } catch {
    return page.fingerprint;
  }
}

// Every status of a drawn line carries the draw's signed record. Kept here, it can be given back to a room that has lost it.
export function keepRecord(signed) {
  record = signed ?? null;
  try {
    const name = `tidegate-draw-${page.onsale}`;
    if (signed) localStorage.setItem(name, signed);
    const kept = localStorage.getItem(name);
    if (signed === null && kept) {
      const headers = { Accept: "application/json", "Content-Type": "application/json" };
      ask("/draw", { method: "POST", headers, body: JSON.stringify({ record: kept }) }).catch(() => {});
    }
  } catch { /* a browser that keeps nothing: others do */ }
}

// Those who were drawn stand in the line of the last epoch that took part, by the record.
export function lineOf(status) {
  if (!status.draw) return status.epoch;
  const { pool } = JSON.parse(atob(status.draw.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  const part = pool.find(([epoch]) => epoch === status.epoch);
  return part && status.number <= part[1] ? pool[pool.length - 1][0] : status.epoch;
}

// Loads what computes a position, long before all need it at the same moment.
export function prepareDraw() {
  computing ??= import("./draw.js");
  computing.catch(() => { computing = null; });
}

// Where the record `signed` draws {epoch, number} to: {epoch, position} in the line which took it in. Null for one that
// took no part, and in a browser that cannot compute it.
export async function drawnPlace(signed, place) {
  try {
    prepareDraw();
    const { drawKey, entryOf, position, readRecord } = await computing;
    const { pool, ...drawn } = readRecord(signed);
    const entry = entryOf({ pool }, place.epoch, place.number);
    if (entry === null) return null;
    const size = pool.reduce((sum, [, joined]) => sum + joined, 0);
    return { epoch: pool[pool.length - 1][0], position: await position(await drawKey(drawn), drawn.onsale, size, entry) };
  } catch {
    return null;
  }
}

async function checkDraw(place) {
  // A position which this page has not heard of is not a wrong one.
  if (record === null || place.position === null) {
    const answer = await ask("/status");
    if (!answer.ok) throw answer;
    place = await answer.json();
    record = place.draw ?? null;
  }
  awaited = record === null;
  if (awaited) return words.text("draw.not_yet");
  const { check } = await import("./draw.js");
  const { keys } = await (await fetch("/.well-known/jwks.json")).json();
  const results = await check(record, keys, place, announcedFingerprint());
  const numbers = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, words.number(value)]));
  return results.map(([key, values]) => words.text(`draw.${key}`, numbers(values))).join(" ");
}

async function showCheck(place) {
  setText("checked", words.text("draw.checking"));
  setText("checked", await checkDraw(place).catch(() => words.text("draw.unable")));
}

// Has the button work; `place` tells where the buyer stands when it is pressed.
export function offerCheck(place) {
  find("check")?.addEventListener("click", () => showCheck(place()));
}

// Answers who asked before the draw was made, now that `place` has its position.
export function answerCheck(place) {
  if (awaited) showCheck(place);
  awaited = false;
}
