// Keeps the waiting page up to date: joins by itself, then asks for the status as often as the room wants it.
const onsale = document.body.dataset.onsale;
const base = `/${onsale}`;
const headlines = {
  prequeue: "You are in the pre-queue. Positions are given out at the opening.",
  waiting: "You are in line.",
  held: "The line is paused. You keep your place.",
  released: "It is your turn.",
  late: "Your turn came and went. Your place is kept: you are next.",
  admitted: "You have been let in.",
  closed: "The sale is over.",
};
const find = (id) => document.getElementById(id);
const json = { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" };
let failures = 0;

function show(status) {
  document.body.dataset.state = status.state;
  find("headline").textContent = status.state === "held" && status.reason
    ? `The line is paused: ${status.reason}. You keep your place.`
    : headlines[status.state] ?? headlines.waiting;
  find("number").textContent = status.number;
  find("ahead").textContent = status.ahead ?? "not known yet";
  const turn = ["released", "late", "admitted"].includes(status.state);
  find("eta").textContent = turn ? "none" : status.eta_s
    ? `${(status.eta_s[0] / 60).toFixed(1)} to ${(status.eta_s[1] / 60).toFixed(1)} minutes`
    : "not known yet";
  find("slower").textContent = ["waiting", "prequeue"].includes(status.state) ? status.eta_reason?.text ?? "" : "";
  find("enter").hidden = !turn;
  find("notice").textContent = status.stale
    ? "We have lost sight of the line for a moment. Your place is safe."
    : "Your place is kept on this device: you may refresh or close this page.";
}

// Every status carries the draw's signed record. Kept here, it can be given back to a room that has lost it.
function keepRecord(record) {
  try {
    if (record) localStorage.setItem(`tidegate-draw-${onsale}`, record);
    const kept = localStorage.getItem(`tidegate-draw-${onsale}`);
    if (record === null && kept) {
      const body = JSON.stringify({ record: kept });
      fetch(`${base}/draw`, { ...json, method: "POST", body, headers: { ...json.headers, "Content-Type": "application/json" } }).catch(() => {});
    }
  } catch { /* a browser that keeps nothing: others do */ }
}

async function poll() {
  let wait = Math.min(30, 2 ** failures);
  try {
    const response = await fetch(`${base}/status`, json);
    if (response.status === 404 || response.status === 410) { location.reload(); return; }
    if (!response.ok) throw new Error(response.status);
    const status = await response.json();
    failures = 0;
    show(status);
    keepRecord(status.draw);
    if (status.state === "closed") return;
    wait = status.retry_after;
  } catch {
    failures += 1;
    find("notice").textContent = "The connection is lost. Your place is safe; trying again.";
  }
  setTimeout(poll, wait * 1000);
}

async function join() {
  try {
    const response = await fetch(`${base}/join`, { ...json, method: "POST" });
    if (response.ok) { location.reload(); return; }
    const problem = await response.json();
    // Asking again would not help: let the page that explains it come.
    if (problem.retry_after === undefined && response.status < 500) { find("join").form.submit(); return; }
    find("headline").textContent = problem.detail;
    setTimeout(join, 1000 * (problem.retry_after ?? 5) * (0.8 + 0.4 * Math.random()));
  } catch {
    setTimeout(join, 3000);
  }
}

const { state } = document.body.dataset;
if (state === "outside") join(); else if (!["admitted", "uninvited", "moved"].includes(state)) poll();
