// Keeps a page up to date: at each tick it fetches itself anew and takes over the parts marked `data-live`.
// What the server has escaped stays text; nothing is built from strings here.

const connection = document.getElementById("connection");
let fetching = false;
let again = false;

async function refresh() {
  if (document.hidden || fetching) {
    again = true;
    return;
  }
  fetching = true;
  again = false;
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 401) {
      location.reload();
    } else if (answer.ok) {
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      say("Live", true);
    }
  } catch {
    say("Not connected", false);
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
    [here.scrollTop, here.scrollLeft] = scrolled;
  }
  // Whoever goes by keyboard stays where they are.
  if (focused && document.activeElement?.id !== focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

function say(text, good) {
  if (connection.textContent === text) return;
  connection.textContent = text;
  connection.classList.toggle("live", good);
}

// What came of an action is shown once; a page that is loaded again, or kept as a bookmark, does without.
if (new URLSearchParams(location.search).has("said")) history.replaceState(null, "", location.pathname + location.hash);

const ticks = new EventSource("/console/live");
ticks.addEventListener("tick", refresh);
ticks.addEventListener("open", () => say("Live", true));
ticks.addEventListener("error", () => say("Not connected", false));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && again) refresh();
});
