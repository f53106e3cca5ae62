// Tells a buyer who asked for it that it is their turn: by a sound, and by a notification where the browser lets us.
let audio = null;

// Called on a press of the button: before one, browsers allow neither. Tells whether there will be notifications.
export async function arm() {
  audio = audio ?? new AudioContext();
  audio.resume();
  if (!mayNotify()) return false;
  return (await Notification.requestPermission()) === "granted";
}

// Some phones let only service workers notify, and tell it by a refusal alone. Before it is allowed, this one is not shown.
function mayNotify() {
  if (!("Notification" in window)) return false;
  try {
    new Notification("", { silent: true, tag: "tidegate" }).close();
    return true;
  } catch {
    return false;
  }
}

export function ring(title, text) {
  if (audio) {
    [660, 880, 1320].forEach((pitch, index) => {
      const at = audio.currentTime + index * 0.25;
      const tone = audio.createOscillator(), volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.3, at + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.5);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.6);
    });
  }
  navigator.vibrate?.([200, 100, 200]);
  try {
    if (window.Notification?.permission === "granted") new Notification(title, { body: text, tag: "tidegate" });
  } catch { /* some phones let only service workers notify; the sound was played */ }
}
