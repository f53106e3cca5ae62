// Where a place stands in a frame, as standing.py has it: all listeners are sent the same frame.
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

// Over how many seconds a question is spread where the frames end for many at once, by the poll budget and for nobody too late;
// null for a room of an earlier version.
export function spread(frame, ahead) {
  if (!frame?.ask_s) return null;
  const [first, last, unplaced, soon = first, late = last] = frame.ask_s;
  const share = Math.min(1, ahead / Math.max(1, frame.waiting));
  return ahead == null ? unplaced : Math.min(first + (last - first) * share, soon + (late - soon) * share);
}

// The range of the wait in seconds, as eta.py has it: between the knots both ends are straight lines, drawn on beyond the last, and
// rounded outwards to the steps of the knot.
export function range(eta, ahead) {
  if (!eta || !eta.ahead.length) return null;
  const { ahead: knots, low_s: low, high_s: high } = eta;
  let index = 0;
  if (ahead >= knots[0]) while (index + 1 < knots.length && knots[index + 1] <= ahead) index += 1;
  const from = Math.max(0, Math.min(index, knots.length - 2)), to = Math.min(from + 1, knots.length - 1);
  const beyond = Math.max(ahead - knots[index], 0);
  const between = (ends) => ends[index] + beyond * ((ends[to] - ends[from]) / Math.max(knots[to] - knots[from], 1e-9));
  const step = eta.steps_s?.[index] ?? 60;
  return [Math.floor(between(low) / step) * step, Math.ceil(between(high) / step) * step];
}
