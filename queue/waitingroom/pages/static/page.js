// What came with the page, and what all of its scripts agree on.
import { within } from "./backoff.js";
import { Words } from "./words.js";

export const find = (id) => document.getElementById(id);
export const page = JSON.parse(find("data").textContent);
export const words = new Words(page.language, page.texts, page.dates);
export const base = `/${page.onsale}`;

// "joining" is a state of the script alone: the room has been asked for a place.
export const IN_LINE = ["prequeue", "waiting", "held"];
export const TURN = ["released", "late", "next", "admitted"];
export const OVER = ["closed", "soldout"];
export const WITHOUT_PLACE = ["outside", "joining", "early", "ended", "moved", "uninvited"];

// Asks the room as a script does. Throws where no answer comes within 15 seconds.
export function ask(path, options = {}) {
  return fetch(`${base}${path}`, {
    headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store",
    signal: within(15_000), ...options,
  });
}
