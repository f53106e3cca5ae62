// How long to wait after so many failures in a row, in seconds; spread, so that all who were cut off don't come back together.
export const backoff_s = (failures) => Math.min(30, 2 ** failures) * (0.5 + Math.random());
