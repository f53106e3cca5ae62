// Where a place stands in a frame: the same as standing.py, worked out here, as all listeners are sent the same frame.
// A place is {epoch, position}, its epoch being the line's in which it stands.
export function stand(frame, place) {
  const line = frame.lines.find(([epoch]) => epoch === place.epoch);
  if (!line || place.position == null) return null;
  const [, released, settled] = line;
  if (place.position <= released) return { state: place.position <= settled ? "late" : "released", ahead: 0, eta: null };
  if (frame.phase === "closed") return { state: "closed", ahead: null, eta: null };
  if (frame.phase === "prequeue") return null;
  let ahead = place.position - released - 1;
  for (const [epoch, gone, , end] of frame.lines) if (epoch < place.epoch) ahead += end - gone;
  return { state: frame.hold ? "held" : "waiting", ahead, eta: frame.hold ? null : range(frame.eta, ahead) };
}

// The range of the wait in seconds: between the knots both ends are straight lines, drawn on beyond the last.
export function range(eta, ahead) {
  if (!eta || !eta.ahead.length) return null;
  const { ahead: knots, low_s: low, high_s: high } = eta;
  const people = Math.max(ahead, knots[0]);
  let index = 0;
  while (index + 1 < knots.length && knots[index + 1] <= people) index += 1;
  const from = Math.max(0, Math.min(index, knots.length - 2)), to = Math.min(from + 1, knots.length - 1);
  const share = to > from ? (people - knots[from]) / Math.max(knots[to] - knots[from], 1e-9) : 0;
  const between = (ends) => ends[from] + share * (ends[to] - ends[from]);
  const step = [[60, 5], [300, 15], [900, 30], [3600, 60], [Infinity, 300]].find(([until]) => between(high) < until)[1];
  return [Math.floor(between(low) / step) * step, Math.ceil(between(high) / step) * step];
}
