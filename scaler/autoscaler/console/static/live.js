// Keeps a page up to date: at each tick it fetches itself anew and takes over the parts marked `data-live`.
// What the server has escaped stays text; nothing is built from strings here.

import { readAgain } from "./plot.js";

const AGAIN_MS = 3000;
const connection = document.getElementById("connection");
const stale = document.getElementById("stale");
let fetching = false;
let again = false;
let ticks = null;
let shownAt = new Date();

async function refresh() {
  if (document.hidden || fetching) {
    again = true;
    return;
  }
  fetching = true;
  again = false;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 401 || answer.status === 404) {
      location.reload(); // signed out, or there is no such page any more: the server says which
    } else if (answer.ok) {
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      shownAt = new Date();
      live();
    } else {
      lost();
    }
  } catch {
    lost();
  } finally {
    fetching = false;
    if (again && !document.hidden) setTimeout(refresh, 500);
  }
}

function take(fresh) {
  const focused = document.activeElement?.id;
  for (const part of fresh.querySelectorAll("[data-live][id]")) {
    const here = document.getElementById(part.id);
    if (here === null) {
      location.reload();
      return;
    }
    if (here.innerHTML === part.innerHTML && here.className === part.className) continue;
    const scrolled = [here.scrollTop, here.scrollLeft];
    here.className = part.className;
    here.replaceChildren(...part.childNodes);
    readAgain(here);
    [here.scrollTop, here.scrollLeft] = scrolled;
  }
  // Whoever goes by keyboard stays where they are.
  if (focused && document.activeElement?.id !== focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

function live() {
  say("Live", true);
  stale.hidden = true;
}

// Figures that are no longer fed look like those of now: the page says of when they are.
function lost() {
  say("Not connected", false);
  const told = `Not connected. What you see is as of ${shownAt.toISOString().slice(11, 19)} UTC.`;
  if (stale.textContent !== told) stale.textContent = told;
  stale.hidden = false;
}

function say(text, good) {
  if (connection.textContent === text) return;
  connection.textContent = text;
  connection.classList.toggle("live", good);
}

// A browser tries again by itself while nobody answers. An answer that is no stream (401 from a scaler that was restarted and
// knows no session of before, 502 from a proxy) it takes as final.
function open() {
  ticks = new EventSource("/console/live");
  ticks.addEventListener("tick", refresh);
  ticks.addEventListener("error", () => {
    lost();
    if (ticks.readyState === EventSource.CLOSED) setTimeout(reopen, AGAIN_MS);
  });
}

async function reopen() {
  if (document.hidden || ticks.readyState !== EventSource.CLOSED) return;
  await refresh();
  open();
}

// What came of an action is shown once; a page that is loaded again, or kept as a bookmark, does without.
if (new URLSearchParams(location.search).has("said")) history.replaceState(null, "", location.pathname + location.hash);

say("Live", true);
open();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (ticks.readyState === EventSource.CLOSED) reopen();
  else if (again) refresh();
});
