// Follows a log. Lines are set as text, so that nothing in them is ever markup.

const MOST = 5000;
const AGAIN_MS = 3000;
const log = document.getElementById("log");
const search = document.getElementById("search");
const follow = document.getElementById("follow");
const found = document.getElementById("found");
const connection = document.getElementById("connection");
let anew = true;

function show(lines) {
  if (anew) log.replaceChildren();
  anew = false;
  const sought = search.value.toLowerCase();
  const batch = document.createDocumentFragment();
  for (const line of lines) {
    const element = document.createElement("div");
    element.className = "log-line";
    element.textContent = line;
    element.hidden = !line.toLowerCase().includes(sought);
    batch.append(element);
  }
  log.append(batch);
  while (log.childElementCount > MOST) log.firstElementChild.remove();
  settle();
}

function settle() {
  if (search.value) {
    const count = log.querySelectorAll(".log-line:not([hidden])").length;
    found.textContent = `${count} of ${log.childElementCount} lines`;
  } else {
    found.textContent = "";
  }
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

function say(text, good) {
  connection.textContent = text;
  connection.classList.toggle("live", good);
}

search.addEventListener("input", () => {
  const sought = search.value.toLowerCase();
  for (const element of log.children) element.hidden = !element.textContent.toLowerCase().includes(sought);
  settle();
});
follow.addEventListener("change", settle);
// Whoever scrolls up wants to read; back at the end, the log is followed again.
log.addEventListener("scroll", () => {
  follow.checked = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
});
for (const select of document.querySelectorAll("#log-form select")) {
  select.addEventListener("change", () => select.form.submit());
}
document.getElementById("tools").hidden = false;

function open() {
  const stream = new EventSource(log.dataset.stream);
  stream.addEventListener("open", () => {
    anew = true;
    say("Live", true);
  });
  stream.addEventListener("lines", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("end", (event) => {
    stream.close();
    say(JSON.parse(event.data), false);
  });
  stream.addEventListener("error", () => {
    say("Not connected", false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(reopen, AGAIN_MS);
  });
}

// The stream was refused: signed out, or the pod's page is gone. The page itself says which; else the log is followed again.
async function reopen() {
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 401 || answer.status === 404) {
      location.reload();
      return;
    }
  } catch {
    // Nobody answers yet.
  }
  open();
}

if (log.dataset.stream) open();
settle();
