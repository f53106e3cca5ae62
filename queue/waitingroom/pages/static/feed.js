// The line's frames, as the room sends them to all who listen (Server-Sent Events).
// One tab of a browser listens and tells the others, as connections are few; a tab that cannot know of the others listens too.
// Phones lose streams without a word, and proxies hold them back, so the room sends a sign of life.
const SILENT_AFTER_MS = 40_000;
const LOST_AFTER_MS = 10_000;

// Calls `take` with each frame, `ended` once when they have stopped, and `lost` once where the room cannot be reached again.
export function listen(onsale, take, ended, lost) {
  let heardAt = 0, endedAt = Date.now();
  const alive = () => Date.now() - heardAt < SILENT_AFTER_MS;
  if (!("EventSource" in window)) return { alive };
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(`tidegate-${onsale}`) : null;
  const hear = (frame) => {
    heardAt = Date.now();
    if (frame !== null) take(frame);
  };
  // Each is told once: while the frames are away, whoever asks keeps to the own times.
  const fall = () => {
    if (heardAt) { heardAt = 0; endedAt = Date.now(); ended(); }
    else if (Date.now() - endedAt > LOST_AFTER_MS) { endedAt = Infinity; lost(); }
  };
  if (channel) channel.onmessage = ({ data }) => { if (data === "lost") fall(); else hear(data); };
  const tell = (frame) => { hear(frame); channel?.postMessage(frame); };
  const open = () => {
    const source = new EventSource(`/${onsale}/events`);
    source.addEventListener("line", ({ data }) => tell(JSON.parse(data)));
    source.addEventListener("alive", () => tell(null));
    source.onopen = () => tell(null);
    source.onerror = () => {
      // A room that refuses streams was reached.
      if (heardAt || !source.readyState) { channel?.postMessage("lost"); fall(); }
    };
    return source;
  };
  const lead = () => new Promise(() => {
    let source = open();
    setInterval(() => {
      if (alive()) return;
      source.close();
      source = open();
      if (heardAt) fall();
    }, SILENT_AFTER_MS);
  });
  if (channel && navigator.locks) navigator.locks.request(`tidegate-${onsale}`, lead);
  else lead();
  return { alive };
}
