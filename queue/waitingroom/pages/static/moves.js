// The two moves a buyer can make, joining and entering: each is made again until it is answered, so that a bad network costs
// neither place nor turn. Where that would not help, the page which explains it is let come.
import { backoff_s } from "./backoff.js";
import { ask, base, find, page } from "./page.js";

let failures = 0;
const later = (move, seconds) => setTimeout(move, seconds * 1000);

// Waits after no answer at all, and returns what is then to be said.
function afterNothing(move) {
  failures += 1;
  later(move, backoff_s(failures));
  return "notice.unreached";
}

// Asks for a place. `change` takes what is to be shown meanwhile, `joined` the status that comes with the place.
export async function join(change, joined) {
  const again = () => join(change, joined);
  change({ state: "joining" });
  try {
    const response = await ask("/join", { method: "POST" });
    const answer = await response.json();
    if (response.ok) {
      failures = 0;
      change({ problem: "" });
      joined(answer);
    } else if (answer.retry_after === undefined && response.status < 500) find("join").submit();
    // Joining has not begun, or is over: the page says so.
    else if (response.status === 403) later(() => location.reload(), 1 + Math.random());
    else {
      change({ problem: response.status === 429 ? "notice.busy" : "notice.unreached" });
      later(again, (answer.retry_after ?? 5) * (0.8 + 0.4 * Math.random()));
    }
  } catch {
    change({ problem: afterNothing(again) });
  }
}

// Enters the shop. A buyer whose turn has passed tries until there is room.
// `notYet` is called where it turns out that it isn't this buyer's turn.
export async function enter(change, notYet) {
  const again = () => enter(change, notYet);
  try {
    const response = await ask(`/enter${page.query}`, { method: "POST" });
    const answer = await response.json();
    failures = 0;
    if (response.ok) { change({ problem: "", failures: 0 }); location.assign(answer.location); return; }
    if (answer.state === "ended") { location.assign(`${base}/${page.query ? `${page.query}&` : "?"}ended=1`); return; }
    if (answer.state === "waiting") { change({ problem: "", entering: false }); notYet(); return; }
    if (answer.state === "late") {
      change({ problem: "", failures: 0, state: "next", entering: false });
      later(again, answer.retry_after ?? 3);
    } else if (answer.retry_after !== undefined || response.status >= 500) {
      change({ problem: "notice.unreached" });
      later(again, (answer.retry_after ?? 5) * (0.8 + 0.4 * Math.random()));
    } else find("enter").submit();
  } catch {
    change({ problem: afterNothing(again) });
  }
}
