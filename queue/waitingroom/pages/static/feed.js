// The line's frames, as the room sends them to all who listen (Server-Sent Events).
//
// One tab of a browser listens and tells the others, as a browser has few connections to spare. Where a tab cannot know of the
// others, each listens. Proxies hold streams back and phones lose them without a word, so the room sends a sign of life.
const SILENT_AFTER_MS = 40_000;

// Calls `take` with each frame, and `lost` once when the frames have stopped.
export function listen(onsale, take, lost) {
  let heardAt = 0;
  const alive = () => Date.now() - heardAt < SILENT_AFTER_MS;
  if (!("EventSource" in window)) return { alive };
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(`tidegate-${onsale}`) : null;
  const hear = (frame) => {
    heardAt = Date.now();
    if (frame !== null) take(frame);
  };
  // Told once: while the frames are away, whoever asks keeps to the own times.
  const fall = () => {
    if (!heardAt) return;
    heardAt = 0;
    lost();
  };
  if (channel) channel.onmessage = ({ data }) => { if (data === "lost") fall(); else hear(data); };
  const tell = (frame) => { hear(frame); channel?.postMessage(frame); };
  const open = () => {
    const source = new EventSource(`/${onsale}/events`);
    source.addEventListener("line", ({ data }) => tell(JSON.parse(data)));
    source.addEventListener("alive", () => tell(null));
    source.onopen = () => tell(null);
    source.onerror = () => { channel?.postMessage("lost"); fall(); };
    return source;
  };
  const lead = () => new Promise(() => {
    let source = open();
    setInterval(() => {
      if (alive()) return;
      source.close();
      source = open();
      fall();
    }, SILENT_AFTER_MS);
  });
  if (channel && navigator.locks) navigator.locks.request(`tidegate-${onsale}`, lead);
  else lead();
  return { alive };
}
