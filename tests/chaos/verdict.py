"""What came of one sale: which promises were broken and what the buyers concerned saw, and how long the line stood still
and the recovery took.

Counted by the demo's own checks from what buyers saw, what the shop logged and what the room told in public. The rate which it
told counts no further than what is known from outside that the shop can take. Pure.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import itemgetter

from tests.chaos.capacity import Capacity, most_inside, worst_crowding
from tests.chaos.effects import Effect
from tidegate.demo.figures import Evidence, double_claims, lost_places, shared_sessions
from tidegate.demo.ordering import called_too_early
from tidegate.demo.overadmission import Ceiling, Excess, within, without_rate, worst_excess
from tidegate.demo.records import BuyerRecord, Outcome, RateSample, ServedEntry

LOST = "no place is lost"
TWICE = "no place is used twice"
SHARED = "no session is shared"
GIVEN_TWICE = "no place is given to two"
EARLY = "the order is kept"
BUCKET = "no more are let in than the bucket allows"
STRETCH = "no stretch of time releases beyond bucket and rate"
CROWDED = "no more are inside at once than the capacity allows"
WITHOUT = "nobody is in the shop without a session"
TURNED_AWAY = "nobody inside is turned away"
CUT_OFF = "who is inside goes on shopping"
TRACEBACK = "no process logs a traceback"
TOOK_HOLD = "the fault takes hold"

RECOVERED_SHARE = 0.9
WINDOW_S = 3.0
"""Over how long the rate of release is measured: a full bucket that empties at once is no recovery."""

SETTLED_AFTER_S = 15.0
"""How long after the end of a fault a dip still belongs to it."""

_BEFORE_S = 5.0
_SHOWN = 5
_SERVER_ERROR = 500
_SHORTEST_SPELL_S = 1.0  # shorter than this, a share of the rate during a fault says nothing


@dataclass(frozen=True, slots=True)
class Struck:
    """When the fault began and when it was over, in unix seconds, and what was seen of it meanwhile.

    The store's clock and ours are one machine's.
    """

    from_s: float
    until_s: float
    effect: Effect


@dataclass(frozen=True, slots=True)
class Run:
    """What was gathered of one sale.

    `ceiling` and `capacity` are what the shop can take whatever the room says; `tracebacks` are the logs of our processes in
    which one stands.
    `reaches_shop`: what was done takes gate or shop away, so that those inside may meet failures.
    """

    evidence: Evidence
    opens_s: float
    claim_within_s: float
    ceiling: Ceiling
    capacity: Capacity
    struck: Struck | None = None
    empties_bucket: bool = False
    reaches_shop: bool = False
    tracebacks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept: how often, and what was seen of the first few cases.

    `timed`: it is about time, so that a machine which is too busy can break it as well as we.
    """

    promise: str
    count: int
    evidence: tuple[str, ...]
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. Times in seconds; None where there was nothing to measure, or nobody measured it."""

    violations: tuple[Violation, ...]
    lost_places: int
    double_claims: int
    order_violations: int
    over_admitted: int
    target_per_s: float | None
    share_during: float | None
    recovery_s: float | None
    first_turn_s: float | None = None
    most_inside: int | None = None
    effect: Effect | None = None

    @property
    def held(self) -> bool:
        """Whether the fault took hold, and every promise was kept."""
        return not self.violations

    @property
    def wrongs(self) -> tuple[Violation, ...]:
        """What was broken, however busy the machine was."""
        return tuple(each for each in self.violations if not each.timed)


def judge(run: Run) -> Verdict:
    """Look at everything that a sale has to keep, whatever befalls it."""
    struck = run.struck
    rates = within(run.evidence.rates, run.ceiling)
    target = _target(rates, struck)
    back_s = None if struck is None or target is None else recovery_s(rates, struck.until_s, target)
    wrongs = wrongs_of(run)
    counts = {each.promise: each.count for each in wrongs}
    found = [
        _of_buyers("everybody who stays is served", _unserved(run.evidence.buyers), run),
        *wrongs,
        *_of_fault(run, back_s),
    ]
    return Verdict(
        violations=tuple(each for each in found if each.count),
        lost_places=counts[LOST],
        double_claims=counts[TWICE],
        order_violations=counts[EARLY],
        over_admitted=max(counts[BUCKET], counts[STRETCH], counts[CROWDED]),
        target_per_s=target,
        share_during=_share_during(rates, struck, target),
        recovery_s=back_s,
        first_turn_s=None if struck is None else first_turn_s(rates, struck.until_s),
        most_inside=most_inside(run.evidence.buyers, run.evidence.served),
        effect=None if struck is None else struck.effect,
    )


def wrongs_of(run: Run) -> list[Violation]:
    """Look at each promise that holds at any moment, also of a sale that is not over yet; a count of 0 is one that was kept."""
    evidence, struck = run.evidence, run.struck
    buyers = evidence.buyers
    rates: Sequence[RateSample] = within(evidence.rates, run.ceiling)
    if struck is not None and run.empties_bucket:
        rates = without_rate(rates, struck.from_s, struck.until_s, "no release is possible")
    lost = [buyer for buyer in buyers if lost_places([buyer])]
    served_to = _served_to(evidence)
    doubles = [buyer for buyer in buyers if double_claims([buyer], served_to[buyer.buyer])]
    early = called_too_early(buyers)
    excess = worst_excess(evidence.served, rates, run.opens_s)
    crowding = worst_crowding(buyers, evidence.served, evidence.rates, run.opens_s, run.capacity)
    return [
        _of_buyers(LOST, lost, run),
        _of_buyers(TWICE, doubles, run),
        Violation(SHARED, shared_sessions(buyers, evidence.served), ()),
        _of_buyers(GIVEN_TWICE, _of_one_place(buyers), run),
        Violation(EARLY, len(early), _told(_pair(*each, run) for each in early)),
        _of_excess(BUCKET, "in the shop by", excess, run),
        fastest_stretch(rates, refunds=_refunds(buyers, run.claim_within_s, rates)),
        _of_excess(CROWDED, "inside at once at", crowding, run),
        _without_session(evidence.served, run),
        _of_buyers(TURNED_AWAY, _turned_away(buyers), run),
        _of_buyers(CUT_OFF, [] if run.reaches_shop else _cut_off(buyers, served_to), run),
        Violation(TRACEBACK, len(run.tracebacks), tuple(run.tracebacks)),
    ]


def recovery_s(rates: Sequence[RateSample], until_s: float, target_per_s: float) -> float | None:
    """Return after how long the rate of release was back for good, from the end of the fault on; None if it never was.

    Some faults show later than they end, as a target holds for a while: the last dip within `SETTLED_AFTER_S` counts. A short
    standstill does not show where the bucket was full (`hidden_standstill_s`).
    """
    spells = _spells(rates, until_s)
    good = [released >= RECOVERED_SHARE * target_per_s * length_s for _, length_s, released in spells]
    dips = [i for i, spell in enumerate(spells) if not good[i] and spell[0] - until_s <= SETTLED_AFTER_S]
    if not spells:
        return None
    if not dips:
        return 0.0
    back = next((i for i in range(dips[-1], len(spells)) if good[i]), None)
    return None if back is None else spells[back][0] - until_s


def first_turn_s(rates: Sequence[RateSample], until_s: float) -> float | None:
    """Return how long after the end of the fault the next turn was told at the latest; None if there was none.

    The first sample from then on may tell of turns that came before the end, so only what is beyond it counts: the line stood
    still for no longer than this, and for at the most two samples less.
    """
    steps = _steps(rates)
    after = steps[bisect_left(steps, until_s, key=itemgetter(0)) :]
    return next((at_s - until_s for at_s, released in after if released > after[0][1]), None)


def hidden_standstill_s(ceiling: Ceiling) -> float:
    """Return how long the line can stand still in a window of `recovery_s` without showing: a full bucket makes up for it."""
    return (1.0 - RECOVERED_SHARE) * WINDOW_S + ceiling.burst / ceiling.rate_per_s


def _spells(rates: Sequence[RateSample], until_s: float) -> list[tuple[float, float, int]]:
    """Return spells of `WINDOW_S` and a little from the end of the fault on, while people waited: begin, length, released."""
    released = list(accumulate((sample.released for sample in rates), max))
    after = bisect_right([sample.as_of_s for sample in rates], until_s)
    begins = [(sample.as_of_s, released[after + i]) for i, sample in enumerate(rates[after:])]
    if after:
        begins.insert(0, (until_s, released[after - 1]))
    spells = []
    end = after
    for begin_s, count in begins:
        while end < len(rates) and rates[end].as_of_s < begin_s + WINDOW_S:
            end += 1
        if end == len(rates) or not rates[end].waiting:
            break
        spells.append((begin_s, rates[end].as_of_s - begin_s, released[end] - count))
    return spells


def fastest_stretch(rates: Sequence[RateSample], *, refunds: int) -> Violation:
    """Find the stretch of time in which most was released beyond the bucket, the rate and what was given back (P4).

    From the public counter, so that a bucket which fills without end while a fault lasts is seen, which the count from the
    opening on allows for. What the room says was given back counts in its time, and for no more than `refunds` in all.
    """
    if not rates:
        return Violation(STRETCH, 0, ())
    bucket = max(max(float(sample.burst), sample.rate_per_s) for sample in rates)
    allowed = lowest = 0.0
    lowest_at_s = rates[0].as_of_s
    worst = (0.0, lowest_at_s, lowest_at_s)
    released, left = 0, refunds
    for before, after in pairwise([rates[0], *rates]):
        allowed += max(before.rate_per_s, after.rate_per_s) * (after.as_of_s - before.as_of_s)
        # A store that has lost its data counts from nought again.
        lost = after.no_shows < before.no_shows
        back = min(left, after.no_shows if lost else after.no_shows - before.no_shows)
        allowed, left = allowed + back, left - back
        # What was lost and put back is not released again.
        released = max(released, after.released)
        balance = released - allowed
        if balance < lowest:
            lowest, lowest_at_s = balance, after.as_of_s
        worst = max(worst, (balance - lowest - bucket, lowest_at_s, after.as_of_s))
    beyond, from_s, until_s = worst
    text = f"from {from_s:.3f} to {until_s:.3f}, with at most {refunds} places given back"
    return Violation(STRETCH, math.floor(beyond), (text,))


def _steps(rates: Iterable[RateSample]) -> list[tuple[float, int]]:
    """Return (time, positions released by then), never fewer than before."""
    steps, released = [], 0
    for sample in rates:
        released = max(released, sample.released)
        steps.append((sample.as_of_s, released))
    return steps


def _target(rates: Sequence[RateSample], struck: Struck | None) -> float | None:
    if struck is None:
        return None
    rates_before = [s.rate_per_s for s in rates if struck.from_s - _BEFORE_S <= s.as_of_s <= struck.from_s]
    return max(rates_before, default=None)


def _share_during(
    rates: Sequence[RateSample], struck: Struck | None, target_per_s: float | None
) -> float | None:
    if struck is None or not target_per_s or struck.until_s - struck.from_s < _SHORTEST_SPELL_S:
        return None
    steps = _steps(rates)
    at_begin, at_end = (
        max((released for at_s, released in steps if at_s <= edge_s), default=0)
        for edge_s in (struck.from_s, struck.until_s)
    )
    return (at_end - at_begin) / (target_per_s * (struck.until_s - struck.from_s))


def _refunds(buyers: Iterable[BuyerRecord], claim_within_s: float, rates: Sequence[RateSample]) -> int:
    """Bound the places given back by the last sample: of buyers who can have let the window after their turn go by till then."""
    end_s = max((sample.as_of_s for sample in rates), default=math.inf)
    return sum(
        buyer.joined
        and (buyer.admitted_s or end_s) - (buyer.last_waiting_as_of_s or -math.inf) >= claim_within_s
        for buyer in buyers
    )


def _unserved(buyers: Iterable[BuyerRecord]) -> list[BuyerRecord]:
    return [buyer for buyer in buyers if buyer.outcome is Outcome.UNSERVED]


def _turned_away(buyers: Iterable[BuyerRecord]) -> list[BuyerRecord]:
    return [
        buyer for buyer in buyers if any(not visit.succeeded and not visit.failed for visit in buyer.visits)
    ]


def _of_one_place(buyers: Iterable[BuyerRecord]) -> list[BuyerRecord]:
    """Return who was told a number, or a position, that somebody else was told as well."""
    buyers = list(buyers)
    numbers = Counter(each for buyer in buyers for each in buyer.numbers)
    positions = Counter(each for buyer in buyers for each in buyer.positions)
    return [
        buyer
        for buyer in buyers
        if any(numbers[each] > 1 for each in buyer.numbers)
        or any(positions[each] > 1 for each in buyer.positions)
    ]


def _cut_off(
    buyers: Iterable[BuyerRecord], served_to: Mapping[int | None, Sequence[ServedEntry]]
) -> list[BuyerRecord]:
    """Return who met more failures inside than the shop says it answered with: the others are the gate's."""
    return [
        buyer
        for buyer in buyers
        if sum(visit.failed for visit in buyer.visits)
        > sum((entry.status or 0) >= _SERVER_ERROR for entry in served_to.get(buyer.buyer, ()))
    ]


def _without_session(served: Iterable[ServedEntry], run: Run) -> Violation:
    """Find requests which reached the shop for nobody that was let in: counts of sessions leave them out."""
    found = [entry for entry in served if entry.session is None and entry.kind == "begin"]
    return Violation(
        WITHOUT,
        len(found),
        _told(f"buyer {entry.buyer} asked for {entry.step} at {_clock(entry.at_s, run)}" for entry in found),
    )


def _served_to(evidence: Evidence) -> defaultdict[int | None, list[ServedEntry]]:
    entries: defaultdict[int | None, list[ServedEntry]] = defaultdict(list)
    for entry in evidence.served:
        entries[entry.buyer].append(entry)
    return entries


def _of_fault(run: Run, back_s: float | None) -> list[Violation]:
    if run.struck is None:
        return [Violation("the fault falls in mid-sale", 1, ("the sale was over before",), timed=True)]
    found = []
    if not run.struck.effect.took_hold:
        found.append(Violation(TOOK_HOLD, 1, (f"it did not: {run.struck.effect.seen}",)))
    if back_s is None:
        promise = f"the rate of release comes back to {RECOVERED_SHARE:.0%}"
        found.append(Violation(promise, 1, ("it had not when the line was empty",), timed=True))
    return found


def _of_buyers(promise: str, buyers: Sequence[BuyerRecord], run: Run) -> Violation:
    return Violation(promise, len(buyers), _told(_describe(buyer, run) for buyer in buyers))


def _told(lines: Iterable[str]) -> tuple[str, ...]:
    lines = list(lines)
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return (*lines[:_SHOWN], *more)


def _pair(called: BuyerRecord, ahead: BuyerRecord, run: Run) -> str:
    return f"{_describe(called, run)} WAS CALLED BEFORE {_describe(ahead, run)}"


def _of_excess(promise: str, where: str, excess: Excess | None, run: Run) -> Violation:
    if excess is None:
        return Violation(promise, 0, ())
    text = f"{excess.seen} sessions were {where} {_clock(excess.at_s, run)}, {excess.allowed} were allowed"
    return Violation(promise, excess.beyond, (text,))


def _describe(buyer: BuyerRecord, run: Run) -> str:
    refused = [f"{v.step} {v.status} at {_clock(v.begun_s, run)}" for v in buyer.visits if not v.succeeded]
    return (
        f"buyer {buyer.buyer} ({buyer.kind}, {buyer.outcome}): numbers {list(buyer.numbers)}, "
        f"positions {list(buyer.positions)}, told to wait until {_clock(buyer.last_waiting_as_of_s, run)}, "
        f"called from {_clock(buyer.first_released_as_of_s, run)}, let in {_clock(buyer.admitted_s, run)}, "
        f"sessions {list(buyer.sessions)}, told to hold no place {buyer.no_place} times, refused {refused}"
    )


def _clock(at_s: float | None, run: Run) -> str:
    return "never" if at_s is None else f"T{at_s - run.opens_s:+.3f}"
