"""How fast a line really moves, learnt from one copy of its counters after another.

Four things are told apart, because they end at different times: the rate in force, how many positions move for each buyer/s of
it (more than one where no-shows give their turn back, less where late buyers are served first), how long a turn takes up room
in the shop, and what the line usually moved at. Pure: the time is the snapshots' own. What a buyer is told of it is `eta`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rulebook import read_ready
from waitingroom.rises import rises_of
from waitingroom.snapshot import Snapshot

RISES_WITHIN_S = 15.0
"""A higher rate is believed by and by, so that a shown wait doesn't jump about; a lower one at once: no growth is hidden."""
_COMES_WITHIN_S = 5.0  # what is expected follows from means over seconds already
_CHANGE = 0.1
_PROVEN_WITHIN_S = 60.0
_YIELD_FADES_S = 90.0
_YIELD_PRIOR_S = 30.0
_STAY_FADES_S = 300.0
_STAY_PRIOR_S, _STAY_PRIOR_FADES_S = 60.0, 120.0
_FULL_FADES_S = 10.0
_USUAL_RISES_S = 30.0
_USUAL_FALLS_S = 600.0
_LONGEST_GAP_S = 5.0  # what was let in during a longer one is not known: the store was away
_LEAST_YIELD, _MOST_YIELD = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the document says, in buyers/s, seconds, and buyers in the shop at once."""

    ceiling_per_s: float
    session_length_s: float
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """What has been learnt up to store time `at_s`. Sums fade, so that the latest minutes count.

    Attributes:
        rate_per_s: the rate in force, rising by and by; where nobody is let in, the last that was.
        coming_per_s: the highest rate that is expected, rising by and by as well; no less than `rate_per_s`.
        proven_per_s: a rate that the shop has borne for a while.
        settled_per_s, settled_at_s: a rate from which it has not gone far since then.
        brought, moved: buyers that the bucket let through by the rate, and positions that moved meanwhile.
        inside_s, turned: buyer-seconds of room taken up in the shop, and buyers who have turned over in it: the mean of those
            who came and those who left, as a shop that is filling up has seen only the quickest leave.
        allowed_s, assumed: the stay that the document allows, and how many turns that assumption still counts for.
        full: the share of the last seconds in which buyers waited for room in the shop, though the rate had let them in.
        usual_per_s, usual_ready: positions/s and ready replicas of the last minutes at their best.
        usual_rule: whose replicas those are: the rule that gave the rate.
    """

    at_s: float
    rate_per_s: float
    settled_per_s: float
    settled_at_s: float
    brought: float
    moved: float
    inside_s: float
    turned: float
    allowed_s: float
    assumed: float
    full: float = 0.0
    usual_per_s: float = 0.0
    usual_ready: int | None = None
    usual_rule: str = ""
    coming_per_s: float = 0.0
    proven_per_s: float = 0.0

    @property
    def per_token(self) -> float:
        """Positions that move for each buyer whom the rate lets through."""
        return min(max(self.moved / self.brought, _LEAST_YIELD), _MOST_YIELD) if self.brought > 0.0 else 1.0

    @property
    def stay_s(self) -> float:
        """How long a turn takes up room in the shop, by Little's law."""
        return (self.inside_s + self.assumed * self.allowed_s) / max(self.turned + self.assumed, 1e-9)

    @property
    def stay_doubt(self) -> float:
        """The share by which the stay may be wrong: it begins as what the document allows."""
        return 0.05 + 0.5 * self.assumed / max(self.turned + self.assumed, 1e-9)

    def flow_per_s(self, snapshot: Snapshot) -> float:
        """Return the positions/s at which the line moves now."""
        flow = self.rate_per_s * self.per_token
        if self.full > 0.5 and snapshot.capacity is not None:
            flow = min(flow, snapshot.capacity / self.stay_s)
        return flow


def begin(snapshot: Snapshot, terms: Terms) -> Pace:
    """Know nothing yet but the rate in force and the document."""
    rate = snapshot.rate_per_s or terms.ceiling_per_s
    weight = rate * _YIELD_PRIOR_S
    return Pace(
        at_s=snapshot.at_s,
        rate_per_s=rate,
        settled_per_s=rate,
        settled_at_s=snapshot.at_s,
        brought=weight,
        moved=weight,
        inside_s=0.0,
        turned=0.0,
        allowed_s=terms.session_length_s,
        assumed=rate * _STAY_PRIOR_S,
        usual_ready=read_ready(snapshot.rate_reason),
        usual_rule=rule_of(snapshot),
        coming_per_s=_coming(snapshot, rate),
        proven_per_s=rate if snapshot.outlook is None else 0.0,
    )


def observe(pace: Pace, before: Snapshot, now: Snapshot) -> Pace:
    """Learn from two snapshots in a row. Nothing is learnt across a loss of the store's data."""
    elapsed_s = now.at_s - before.at_s
    if elapsed_s <= 0.0:
        return pace
    pace = replace(pace, at_s=now.at_s)
    if now.epoch != before.epoch or now.released < before.released:
        return pace
    if before.recovers_within_s > 0.0 or now.recovers_within_s > 0.0:
        # Nobody is let in, whatever rate and room there are, and who is inside is being told: the rate alone means what it says,
        # though the shop bears nothing of it.
        return replace(_learn_rate(pace, now, elapsed_s), proven_per_s=pace.proven_per_s)
    if now.waiting <= 0 or (now.opens_at_s is not None and before.at_s < now.opens_at_s):
        # Where nobody moves, the rate is only what somebody wrote down: that it stood there for hours says nothing of it.
        rate = now.rate_per_s or pace.rate_per_s
        pace = replace(
            pace,
            rate_per_s=rate,
            coming_per_s=_coming(now, rate),
            proven_per_s=_borne(pace, now, rate, elapsed_s),
            settled_per_s=rate,
            settled_at_s=now.at_s,
        )
        return _learn_stay(pace, before, now, elapsed_s)
    pace = _learn_rate(pace, now, elapsed_s)
    pace = _learn_yield(pace, before, now, elapsed_s)
    pace = _learn_stay(pace, before, now, elapsed_s)
    return _learn_usual(pace, now, elapsed_s)


def _learn_rate(pace: Pace, now: Snapshot, elapsed_s: float) -> Pace:
    rate = now.rate_per_s
    if rate <= 0.0:
        # The next rate begins a stretch of its own: nothing is known of what follows a pause.
        return replace(pace, settled_per_s=0.0)
    # A rise that was told before it came is no surprise.
    moved = rate
    if rate > pace.rate_per_s:
        moved = max(_toward(pace.rate_per_s, rate, elapsed_s, RISES_WITHIN_S), min(rate, pace.coming_per_s))
    pace = replace(
        pace,
        coming_per_s=max(moved, _rising(pace.coming_per_s, _coming(now, rate), elapsed_s, _COMES_WITHIN_S)),
        proven_per_s=_rising(pace.proven_per_s, rate, elapsed_s, _PROVEN_WITHIN_S),
    )
    if abs(rate - pace.settled_per_s) > _CHANGE * pace.settled_per_s:
        return replace(pace, rate_per_s=moved, settled_per_s=rate, settled_at_s=now.at_s)
    return replace(pace, rate_per_s=moved)


def _learn_yield(pace: Pace, before: Snapshot, now: Snapshot, elapsed_s: float) -> Pace:
    waited_for_tokens = before.waiting > 0 and now.waiting > 0 and before.tokens < 1.0 and now.tokens < 1.0
    if (
        not waited_for_tokens
        or elapsed_s > _LONGEST_GAP_S
        or before.rate_per_s <= 0.0
        or now.rate_per_s <= 0.0
    ):
        return pace
    fade = math.exp(-elapsed_s / _YIELD_FADES_S)
    brought = before.rate_per_s * elapsed_s + before.tokens - now.tokens
    moved = now.released - before.released
    return replace(pace, brought=pace.brought * fade + brought, moved=pace.moved * fade + moved)


def _learn_stay(pace: Pace, before: Snapshot, now: Snapshot, elapsed_s: float) -> Pace:
    came = (
        now.claimed + now.no_shows + now.outstanding - before.claimed - before.no_shows - before.outstanding
    )
    left = came + before.sessions + before.outstanding - now.sessions - now.outstanding
    waits_for_room = now.waiting > 0 and now.tokens >= 1.0 and now.capacity is not None and _lets_in(now)
    full = _toward(pace.full, float(waits_for_room), elapsed_s, _FULL_FADES_S)
    inside = before.sessions + before.outstanding
    if inside == 0:
        return replace(pace, full=full)
    fade = math.exp(-elapsed_s / _STAY_FADES_S)
    return replace(
        pace,
        full=full,
        inside_s=pace.inside_s * fade + inside * elapsed_s,
        turned=pace.turned * fade + max(0.0, (came + left) / 2.0),
        assumed=max(pace.assumed * math.exp(-elapsed_s / _STAY_PRIOR_FADES_S), 1e-6),
    )


def _lets_in(now: Snapshot) -> bool:
    """Tell whether a token lets somebody in where there is room: not before the opening, nor before the draw is made."""
    return now.phase == "open" and (now.order != "draw" or bool(now.draw_record))


def _learn_usual(pace: Pace, now: Snapshot, elapsed_s: float) -> Pace:
    if now.rate_per_s <= 0.0:
        return pace
    flow = pace.flow_per_s(now)
    within_s = _USUAL_RISES_S if flow > pace.usual_per_s else _USUAL_FALLS_S
    usual = _toward(pace.usual_per_s, flow, elapsed_s, within_s) if pace.usual_per_s else flow
    ready = read_ready(now.rate_reason)
    if ready is None:
        # Only a rule's words tell of servers: under an operator's rate or a fallback there are as many as there were.
        return replace(pace, usual_per_s=usual)
    rule = rule_of(now)
    if flow >= usual or rule != pace.usual_rule:
        return replace(pace, usual_per_s=usual, usual_ready=ready, usual_rule=rule)
    return replace(pace, usual_per_s=usual, usual_ready=max(ready, pace.usual_ready or 0))


def rule_of(snapshot: Snapshot) -> str:
    """Return the name of the rule that gives the rate; another's reason gives a text that is no rule's name."""
    return snapshot.rate_reason.partition(": ")[0]


def _borne(pace: Pace, now: Snapshot, rate: float, elapsed_s: float) -> float:
    """Return what the shop has borne while nobody had to wait. For a rate set by hand operators stand; a rule only computes."""
    if now.outlook is None:
        return rate
    return _rising(pace.proven_per_s, min(rate, now.released_per_s), elapsed_s, _PROVEN_WITHIN_S)


def _coming(snapshot: Snapshot, rate: float) -> float:
    return max((rate, *(rise.per_s for rise in rises_of(snapshot))))


def _rising(value: float, goal: float, elapsed_s: float, within_s: float) -> float:
    """Move up by and by, and down at once."""
    return goal if goal < value else _toward(value, goal, elapsed_s, within_s)


def _toward(value: float, goal: float, elapsed_s: float, within_s: float) -> float:
    """Move as a first-order lag does."""
    return goal + (value - goal) * math.exp(-elapsed_s / within_s)
