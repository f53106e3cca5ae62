// On a page which says that the room cannot answer just now: goes back to the line as soon as it can.
import { backoff_s, within } from "./backoff.js";

const again = document.getElementById("again");
let failures = 0;

async function look() {
  try {
    const response = await fetch(`/${document.body.dataset.onsale}/state`, { cache: "no-store", signal: within(15_000) });
    if (response.ok && !(await response.json()).stale) { location.replace(again.href); return; }
  } catch { /* not yet */ }
  failures += 1;
  later();
}

const later = () => setTimeout(look, backoff_s(failures) * 1000);
later();
