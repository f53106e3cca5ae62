// Puts on the page what is known of a buyer's standing: texts, figures, what is shown and what is hidden. It decides nothing.
import { IN_LINE, OVER, TURN, WITHOUT_PLACE, base, find, page, words } from "./page.js";

const plainTitle = document.title;
let start = page.start;

export function setText(id, text) {
  const element = find(id);
  if (element.textContent !== text) element.textContent = text;
}

// Hides or shows; focus in what goes away is put on the headline, or the keyboard would begin at the top.
function setShown(id, shown) {
  const element = find(id);
  // Those who aren't invited are shown a page without forms.
  if (element === null || element.hidden === !shown) return;
  if (!shown && element.contains(document.activeElement)) find("headline").focus();
  element.hidden = !shown;
}

export function leadOf({ state }) {
  if (state === "prequeue") return page.drawn ? "lead.draw" : "lead.arrival";
  return `lead.${state}`;
}

export function waitOf({ state, eta }) {
  if (state === "held") return words.text("figure.paused");
  return eta ? words.wait(eta) : words.text("figure.unknown");
}

// What the spot below the figures says: how fast the line moves, or why it is slow; null while that is not known.
function paceOf({ state, reason, rate }) {
  if (state === "prequeue") return words.text("pace.closed_doors");
  if (reason) return words.slow(reason);
  return rate === null ? null : words.pace(rate);
}

// What is the matter, as the name of a text: in joining or entering, with the connection, with the room's store.
export function noticeOf({ problem, failures, stale }) {
  return problem || (failures > 0 ? "notice.lost" : stale ? "notice.stale" : "notice.kept");
}

// Nothing jumps while a buyer looks on: where the opening or the figures go, what is below them stays. The room is kept until
// nobody looks, or the device is turned.
function keepRoom(change) {
  const figures = find("figures"), card = figures.parentElement;
  const height = card.offsetHeight, top = figures.offsetTop, wasShown = !figures.hidden;
  change();
  if (!wasShown) return;
  if (figures.hidden) card.style.minHeight = `${height}px`;
  const margin = parseFloat(getComputedStyle(figures).marginTop);
  if (figures.offsetTop < top) figures.style.marginTop = `${margin + top - figures.offsetTop}px`;
}

function giveUpRoom() {
  find("figures").style.marginTop = find("figures").parentElement.style.minHeight = "";
}

let width = innerWidth;
addEventListener("resize", () => {
  // Phones call it a new size as well when their bars come and go.
  if (innerWidth !== width) giveUpRoom();
  width = innerWidth;
});
document.addEventListener("visibilitychange", () => { if (document.hidden) giveUpRoom(); });

export function show(now) {
  const { state } = now;
  const before = document.body.dataset.state;
  if (before !== state && !document.hidden && document.body.hasAttribute("data-live")) keepRoom(() => put(now));
  else put(now);
}

function put(now) {
  const { state } = now;
  document.body.dataset.state = state;
  // Room is kept for what is about to be shown: no longer once it is there, or where something is the matter.
  document.body.toggleAttribute("data-live", state !== "joining" || now.problem !== "");
  document.title = titleOf(now);
  if (page.texts[`headline.${state}`]) {
    setText("headline", words.text(`headline.${state}`));
    setText("lead", words.text(leadOf(now)));
  }
  setShown("figures", IN_LINE.includes(state));
  setShown("opening", ["early", "prequeue"].includes(state));
  setShown("turn", TURN.includes(state));
  setShown("join", ["outside", "ended", "moved"].includes(state));
  setShown("notify-line", IN_LINE.includes(state));
  setShown("notified", IN_LINE.includes(state) && now.armed !== "");
  setShown("hold", state === "held" && now.hold !== "");
  setShown("notice", !OVER.includes(state) && (!WITHOUT_PLACE.includes(state) || now.problem !== ""));
  setShown("actions", [...IN_LINE, "early", "late", "next", "released"].includes(state));
  setShown("get-code", [...IN_LINE, "released", "late", "next"].includes(state));
  setText("hold-text", now.hold);
  if (now.armed) {
    setText("notified", words.text(now.armed));
    find("notify").setAttribute("aria-pressed", "true");
  }
  setShown("message", now.message !== "");
  setText("message-text", now.message);
  if (now.opens !== null) setText("opens", words.moment(now.opens));
  if (IN_LINE.includes(state)) showFigures(now);
  if (TURN.includes(state)) showTurn(now);
  const notice = noticeOf(now);
  find("notice").classList.toggle("worry", notice !== "notice.kept");
  if (!find("notice").hidden) setText("notice", words.text(notice));
  if (now.asOf !== null) setText("updated", words.text("updated.at", { time: words.time(now.asOf) }));
}

function titleOf({ state, ahead }) {
  if (state === "released") return `${words.text("headline.released")} – ${page.title}`;
  // Seen among other tabs only: on a page in front it would be read out with every change.
  if (document.hidden && state === "waiting" && ahead !== null) return words.text("title.ahead", { ahead: words.number(ahead), title: page.title });
  return plainTitle;
}

function showFigures(now) {
  const unknown = words.text(now.state === "prequeue" ? "figure.at_draw" : "figure.unknown");
  setText("ahead", now.ahead === null ? unknown : words.number(now.ahead));
  find("ahead").classList.toggle("unknown", now.ahead === null);
  setText("number", now.number === null ? "" : words.number(now.number));
  setText("position", now.position === null ? unknown : words.number(now.position));
  setText("eta", waitOf(now));
  const pace = paceOf(now);
  if (pace !== null) setText("pace", pace);
  if (now.ahead === null || now.state === "prequeue") return;
  if (start === null || now.ahead > start) {
    start = now.ahead;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `tidegate_start=${now.epoch}.${now.number}.${start}; Path=${base}; SameSite=Lax; Max-Age=86400${secure}`;
  }
  const bar = find("progress");
  bar.max = Math.max(1, start);
  bar.value = start - now.ahead;
}

function showTurn({ state, claimBy, entering }) {
  const minutes = Math.max(1, Math.round(page.claim_within / 60));
  const until = claimBy ? words.text("turn.until", { time: words.time(claimBy) }) : words.count("turn.within", minutes);
  setText("enter-by", state === "released" ? until : "");
  // Who is next is let in by the script.
  setShown("enter", state !== "next");
  const button = find("enter").querySelector("button");
  const label = words.text(entering ? "button.entering" : state === "admitted" ? "button.shop" : "button.enter");
  if (button.textContent !== label) button.textContent = label;
  button.setAttribute("aria-busy", String(entering));
}

// Shows the seconds until the opening, and those left to enter; null for whichever isn't counted.
export function showClocks(opens_s, left_s) {
  // A brand's own page may have it stand alone.
  (find("countdown").closest(".scripted") ?? find("countdown")).hidden = opens_s === null;
  if (opens_s !== null) setText("countdown", words.countdown(opens_s));
  setShown("left-line", left_s !== null);
  if (left_s !== null) setText("left", words.countdown(left_s));
}
