// Reads news out to those who use a screen reader: at most every 15 seconds, and what is true by then. What was said is left out.
import { leadOf, noticeOf, waitOf } from "./display.js";
import { OVER, WITHOUT_PLACE, find, page, words } from "./page.js";

const EVERY_MS = 15_000;
let spokenAt = 0;
let due = false;
let latest = null;
let said = null;

// Says how a buyer stands now, if that is news. What the page began with has been read already.
export function announce(now) {
  if (now.state === "joining" && !now.problem) return;
  latest = [standing(now), cause(now), message(now), notice(now)];
  said ??= latest;
  if (due || !news().length) return;
  due = true;
  setTimeout(speak, Math.max(0, spokenAt + EVERY_MS - Date.now()));
}

// What people typed may lack its full stop.
const closed = (text) => (/\p{Po}$/u.test(text) ? text : `${text}.`);
// Each part is what tells it from an earlier one, and its text.
const part = (text, mark = text) => ({ mark, text });
const news = () => latest.filter(({ mark }, index) => mark && mark !== said[index].mark);

function standing(now) {
  if (now.state === "waiting" && now.ahead !== null) return part(words.count("announce.waiting", now.ahead, { wait: waitOf(now) }));
  if (!page.texts[`headline.${now.state}`]) return part(find("headline").textContent);
  const headline = words.text(`headline.${now.state}`);
  const lead = leadOf(now);
  return part(page.texts[lead] ? `${headline}. ${words.text(lead)}` : headline);
}

// Why the line stands still, or is slow: new figures of the same cause are no news.
function cause({ state, hold, reason }) {
  if (state === "held") return part(hold && closed(`${words.text("hold.label")}: ${hold}`), hold);
  return state === "waiting" && reason ? part(words.slow(reason), `${reason.code} ${reason.reason ?? ""}`) : part("");
}

const message = (now) => part(now.message && closed(`${words.text("message.label")}: ${now.message}`), now.message);

function notice(now) {
  const hidden = OVER.includes(now.state) || (WITHOUT_PLACE.includes(now.state) && !now.problem);
  return part(hidden ? "" : words.text(noticeOf(now)));
}

function speak() {
  due = false;
  const text = news().map((each) => each.text).join(" ");
  // What was over before it could be said is not said.
  if (!text) return;
  spokenAt = Date.now();
  said = latest;
  find("announcer").textContent = text;
}
