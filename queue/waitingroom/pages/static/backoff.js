// How the scripts ask: for how long, and when again.
// A signal that ends a question after so long. AbortSignal.timeout would do, but phones of before 2022 lack it.
export function within(milliseconds) {
  const ending = new AbortController();
  setTimeout(() => ending.abort(), milliseconds);
  return ending.signal;
}

// Seconds to wait after so many failures in a row; spread, so that those cut off together don't come back together.
export const backoff_s = (failures) => Math.min(30, 2 ** failures) * (0.5 + Math.random());
