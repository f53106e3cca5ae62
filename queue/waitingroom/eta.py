"""How long a buyer will wait: a range for every place in line, made once for each copy of the counters.

The middle follows the pace at which the line moves (`pace`), and slows down once the shop will be full. The ends follow what may
happen until then. Whatever has gone on for a time is expected to go on for about as long again, so a rate that has just changed,
or a long way to go, gives a wide range; a rate below the ceiling which rules may raise leaves room for it on the early side, and
a rise that is known before it comes (`rises`) counts on both, the wider where the shop has not yet borne such a rate. The
share of misses among past forecasts widens or narrows the range (`calibration`). Ends are rounded outwards.

A buyer's range costs a search among a dozen knots and four float operations, because every status asks for it. Pure.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from waitingroom.pace import Pace, Terms
from waitingroom.rises import Rise, flow_over, rises_of
from waitingroom.slowdown import Slowdown
from waitingroom.snapshot import Snapshot

Range = tuple[float, float]
Flow = Callable[[float, float], float]

TIMES_S = (0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0, 7680.0)
"""The waits, in seconds, at which the range is worked out; between them it is interpolated, beyond them drawn on."""

# A range ends this share below and above the middle: at least, and added to it as a change becomes likely.
_BELOW, _BELOW_CHANGED = 0.06, 0.10
_ABOVE, _ABOVE_CHANGED = 0.10, 0.50
_ABOVE_UNPROVEN = 1.35  # where the rate that is expected is one which the shop has not yet borne
_RISES_EARLY, _RISES_LATE = 0.15, 0.85  # on the way from when a rise is expected at the soonest to the latest
_SOON_S = 120.0  # a rate of which nothing is known yet holds for about as long
_DOUBLES_S = 60.0  # how soon servers that are being started may double the rate
_MOST_GROWTH = 3.0
_EARLY_S, _LATE_S = 2.0, 3.0  # copies of the counters, questions and releases all come in steps
_DRAWN_LOW, _DRAWN_HIGH = 0.1, 0.9  # of the positions which a draw may give
_ROUNDED = ((60.0, 5.0), (300.0, 10.0), (900.0, 30.0), (3600.0, 60.0), (math.inf, 300.0))


@dataclass(frozen=True, slots=True)
class Eta:
    """The wait by the number of people ahead: `knots`, and at each the range's ends and their slopes up to the next.

    No knots: no wait can be named now. `prequeue_s` is the range of those who have no position before the draw, `opens_in_s` the
    time until the opening (0 after it), `slowdown` why the wait has grown, and `slowdown_json` the same, encoded once.
    """

    knots: tuple[float, ...] = ()
    low_s: tuple[float, ...] = ()
    high_s: tuple[float, ...] = ()
    low_slopes: tuple[float, ...] = ()
    high_slopes: tuple[float, ...] = ()
    steps_s: tuple[float, ...] = ()
    opens_in_s: float = 0.0
    prequeue_s: Range | None = None
    slowdown: Slowdown | None = None
    slowdown_json: str = "null"

    def range_s(self, ahead: float) -> Range | None:
        """Return the wait with `ahead` people in front, rounded outwards; None where none can be named."""
        if not self.knots:
            return None
        index = bisect_right(self.knots, ahead) - 1
        if index < 0:
            index, ahead = 0, self.knots[0]
        beyond = ahead - self.knots[index]
        step = self.steps_s[index]
        low = self.low_s[index] + beyond * self.low_slopes[index]
        high = self.high_s[index] + beyond * self.high_slopes[index]
        return low // step * step, -(-high // step) * step


NO_ETA = Eta()


@dataclass(frozen=True, slots=True)
class Widening:
    """By how much past forecasts say the range must be wider (or may be narrower) at each of `TIMES_S`, on either side."""

    below: tuple[float, ...] = (1.0,) * len(TIMES_S)
    above: tuple[float, ...] = (1.0,) * len(TIMES_S)


def make_eta(
    pace: Pace, snapshot: Snapshot, terms: Terms, widening: Widening, slowdown: Slowdown | None
) -> Eta:
    """Work out the range of every place in line."""
    opens_in_s = max(0.0, (snapshot.opens_at_s or 0.0) - snapshot.at_s)
    explained = Eta(opens_in_s=opens_in_s, slowdown=slowdown)
    if slowdown is not None:
        text = json.dumps(slowdown.fields(), separators=(",", ":"))
        explained = replace(explained, slowdown_json=text)
    if snapshot.hold or snapshot.awaits_beacon or (snapshot.rate_per_s <= 0.0 and not opens_in_s):
        return explained
    flow = pace.rate_per_s * pace.per_token
    if flow <= 0.0:
        return explained
    doubt = pace.stay_doubt
    rises = rises_of(snapshot)
    shop = _Shop(pace, snapshot, terms)
    middle = shop.releases(pace.stay_s, _flow(pace, rises, 0.5))
    early = shop.releases(pace.stay_s * (1.0 - doubt), _early(pace, rises, snapshot, terms))
    late = shop.releases(pace.stay_s * (1.0 + 0.3 * doubt), _flow(pace, rises, _RISES_LATE))
    proven = pace.proven_per_s * pace.per_token
    # What is in the bucket is there at once; late buyers who came back go first.
    at_once = min(snapshot.tokens, float(snapshot.waiting)) - 1.0 - snapshot.late
    knots = [count + at_once for count in middle]
    known_s = max(0.0, pace.at_s - pace.settled_at_s)
    risen_s = min((rise.at_s(0.5) for rise in rises), default=0.0)
    # After a loss of data it may go on at any moment, or only when the time for that is over.
    stands_s = max(0.0, snapshot.recovers_within_s - opens_in_s)
    low, high = [], []
    for index, (at_s, count) in enumerate(zip(TIMES_S, middle, strict=True)):
        change = at_s / (at_s + known_s + _SOON_S)
        below = min(0.9, (_BELOW + _BELOW_CHANGED * change) * widening.below[index])
        unproven = max(0.0, 1.0 - proven * at_s / count) if count > 0.0 else 0.0
        above = (_ABOVE + _ABOVE_CHANGED * change) * widening.above[index]
        # Either replicas start late, or the shop is slower with them than it was thought; not both at their worst.
        slower_s = _ABOVE * at_s + _ABOVE_UNPROVEN * unproven * max(0.0, at_s - risen_s)
        latest_s = max(_when(late, count) * (1.0 + above), at_s + slower_s * widening.above[index])
        low.append(max(0.0, _when(early, count) * (1.0 - below) - _EARLY_S))
        high.append(latest_s + _LATE_S + stands_s)
    eta = replace(
        explained,
        knots=tuple(knots),
        low_s=tuple(opens_in_s + each for each in low),
        high_s=tuple(opens_in_s + each for each in high),
        low_slopes=_slopes(knots, low),
        high_slopes=_slopes(knots, high),
        steps_s=tuple(_step(opens_in_s + at_s) for at_s in TIMES_S),
    )
    return replace(eta, prequeue_s=_drawn_range(eta, snapshot)) if opens_in_s or snapshot.pool else eta


def _flow(pace: Pace, rises: Sequence[Rise], share: float) -> Flow:
    """Return the flow with each rise so far on the way from its soonest moment to its latest, as far as it is believed."""
    steps = sorted((rise.at_s(share), min(rise.per_s, pace.coming_per_s)) for rise in rises)
    return lambda begin_s, end_s: pace.per_token * flow_over(pace.rate_per_s, steps, begin_s, end_s)


def _early(pace: Pace, rises: Sequence[Rise], snapshot: Snapshot, terms: Terms) -> Flow:
    """Return the flow if every rise comes early, and more servers are started."""
    steps = sorted((rise.at_s(_RISES_EARLY), rise.per_s) for rise in rises)
    grown = _rise(pace, snapshot, terms)
    return lambda begin_s, end_s: (
        pace.per_token
        * max(
            flow_over(pace.rate_per_s, steps, begin_s, end_s),
            pace.rate_per_s * grown((begin_s + end_s) / 2.0),
        )
    )


def _rise(pace: Pace, snapshot: Snapshot, terms: Terms) -> Callable[[float], float]:
    """Return by which factor the rate may have grown by a time: as servers are started, up to the ceiling."""
    rate = max(pace.rate_per_s, 1e-9)
    most = min(_MOST_GROWTH, max(1.0, terms.ceiling_per_s / rate))
    if snapshot.rate_reason in {"ceiling", "operator"}:
        most = max(1.0, snapshot.rate_per_s / rate)
    doubles_s = _DOUBLES_S + 2.0 * max(0.0, pace.at_s - pace.settled_at_s)
    return lambda at_s: min(most, 1.0 + at_s / doubles_s)


class _Shop:
    """The shop as it fills up: buyers stay for a time on average, and no more than its capacity are in it or on their way.

    A capacity by a rule goes with ready servers as the rate does, up to the document's; one that operators set stays.
    """

    def __init__(self, pace: Pace, snapshot: Snapshot, terms: Terms) -> None:
        self._capacity = snapshot.capacity
        self._inside = float(snapshot.sessions + snapshot.outstanding)
        self._flow = max(pace.rate_per_s, snapshot.rate_per_s) * pace.per_token
        fixed = snapshot.outlook is None or any(name == "ops_capacity" for name, _ in snapshot.operated)
        self._most = (self._capacity or 0) if fixed else (terms.capacity or math.inf)

    def releases(self, stay_s: float, flow_over: Flow) -> list[float]:
        """Return how many will have been released by each of `TIMES_S`, if buyers stay for `stay_s`."""
        released, inside, counts = 0.0, self._inside, [0.0]
        for begin_s, end_s in pairwise(TIMES_S):
            count, inside = self._stretch(flow_over(begin_s, end_s), inside, stay_s, end_s - begin_s)
            released += count
            counts.append(released)
        return counts

    def _stretch(self, flow: float, inside: float, stay_s: float, seconds: float) -> tuple[float, float]:
        """Release for a stretch of time: at `flow` until the shop is full, then as buyers leave."""
        if self._capacity is None:
            return flow * seconds, inside
        capacity = max(self._capacity, min(self._most, self._capacity * flow / self._flow))
        balance = flow * stay_s
        if balance <= capacity and inside <= capacity:
            return flow * seconds, balance + (inside - balance) * math.exp(-seconds / stay_s)
        leaving = max(capacity / stay_s, 1e-9)
        full_after_s = 0.0
        if inside < capacity:
            full_after_s = stay_s * math.log((balance - inside) / (balance - capacity))
        if full_after_s >= seconds:
            return flow * seconds, balance + (inside - balance) * math.exp(-seconds / stay_s)
        return flow * full_after_s + min(flow, leaving) * (seconds - full_after_s), float(capacity)


def _when(counts: Sequence[float], count: float) -> float:
    """Return when `count` will have been released, by a list of how many will have been at each of `TIMES_S`."""
    index = min(max(bisect_right(counts, count) - 1, 0), len(counts) - 2)
    gained = max(counts[index + 1] - counts[index], 1e-9)
    share = (count - counts[index]) / gained
    return TIMES_S[index] + share * (TIMES_S[index + 1] - TIMES_S[index])


def _slopes(knots: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    slopes = [
        (values[index + 1] - values[index]) / max(knots[index + 1] - knots[index], 1e-9)
        for index in range(len(knots) - 1)
    ]
    return (*slopes, slopes[-1])


def _step(at_s: float) -> float:
    return next(step for until_s, step in _ROUNDED if at_s < until_s)


def _drawn_range(eta: Eta, snapshot: Snapshot) -> Range | None:
    """Return the range of somebody who may be drawn to any position among those who will have joined by the opening."""
    # A rush of arrivals is not drawn on beyond what has come so far.
    more = min(snapshot.arrivals_per_s * min(eta.opens_in_s, 600.0), snapshot.waiting)
    first = eta.range_s(_DRAWN_LOW * snapshot.waiting)
    last = eta.range_s(_DRAWN_HIGH * (snapshot.waiting + more))
    return None if first is None or last is None else (first[0], last[1])
