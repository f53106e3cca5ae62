// Reads news out to those who use a screen reader: at most every 15 seconds, and of several the newest.
import { leadOf, noticeOf, waitOf } from "./display.js";
import { find, page, words } from "./page.js";

const EVERY_MS = 15_000;
let spokenAt = 0;
let next = "";
let said = null;

// Says how a buyer stands now, if that is news. What the page began with has been read already.
export function announce(now) {
  if (now.state === "joining" && !now.problem) return;
  const text = sentence(now);
  if (said === null) { said = text; return; }
  if (text === said || text === next) return;
  if (!next) setTimeout(speak, Math.max(0, spokenAt + EVERY_MS - Date.now()));
  next = text;
}

function sentence(now) {
  if (now.problem || now.failures > 0) return words.text(noticeOf(now));
  if (now.state === "waiting" && now.ahead !== null) return words.count("announce.waiting", now.ahead, { wait: waitOf(now) });
  if (!page.texts[`headline.${now.state}`]) return find("headline").textContent;
  const headline = words.text(`headline.${now.state}`);
  const lead = leadOf(now);
  return page.texts[lead] ? `${headline}. ${words.text(lead)}` : headline;
}

function speak() {
  spokenAt = Date.now();
  said = next;
  next = "";
  find("announcer").textContent = said;
}
