"""Closed-loop runs in virtual time: a crowd waits, is told how long it will take, and waits as long as it does.

The line is the plain-Python model of the release script. What the crowd is told is what a status would say; whether it was true
is counted from when each place was released, and from nothing else. Seeded: the same run gives the same figures.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tests.waitingroom.release_model import SECOND, Limits, RoomModel, Target
from waitingroom.drawrecord import DrawnPool, DrawRecord
from waitingroom.forecaster import Forecaster
from waitingroom.pace import Terms
from waitingroom.places import Place
from waitingroom.polling import asking_for
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import State, stand

BEGIN_S = 1_700_000_000
EPOCH = 1
_BUYERS_PER_POLL_PER_S = 30
"""So that a run asks as often as a large sale does: everybody about twice a minute, who is near more often."""
_RULE = "shop"
_TARGET_EVERY_S = 5
_MEMORY_S = 5
_PREQUEUE_S = 300
_OLD_SPREAD = 0.25


@dataclass(frozen=True)
class Run:
    """One sale. Times in seconds from the opening, rates in buyers/s; shares are of all buyers.

    `target` gives what a scaler writes at a time: the ready replicas, and the share of `rate` which they take. `stay_s` is the
    mean time in the shop.
    """

    name: str
    buyers: int = 12_000
    rate: float = 20.0
    burst: int = 20
    capacity: int | None = None
    claim_s: int = 120
    session_s: float = 600.0
    stay_s: float = 180.0
    no_shows: float = 0.02
    come_back: float = 0.2
    tail_s: float = 600.0
    hold: tuple[float, float] | None = None
    target: Callable[[float], tuple[int, float]] | None = None
    drawn: bool = False
    seed: int = 1


@dataclass
class Buyer:
    """One buyer of a run: when they came, what they were told when, and when their turn came."""

    arrives_s: float
    comes: bool
    late: bool
    delay_s: float
    stay_s: float
    number: int = 0
    position: int = 0
    released_s: float | None = None
    told: list[tuple[float, float, float]] = field(default_factory=list)
    old: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    `first` is the share of buyers whose first range held; `later` that of each buyer's later ranges which held, every buyer
    counting once. Widths are relative to the range's middle. `old` is the rule that was here before: the rate of the last five
    seconds and a quarter to either side. `grown` holds the causes of growth that were named.
    """

    name: str
    buyers: int
    first: float
    later: float
    width: float
    old_first: float
    old_width: float
    grown: frozenset[str]


def play(run: Run) -> Outcome:
    """Play a run to its end."""
    return _Play(run).play()


class _Play:
    def __init__(self, run: Run) -> None:
        self.run = run
        self.dice = random.Random(run.seed)
        limits = Limits(
            Fraction(run.rate),
            run.burst,
            run.capacity,
            Fraction(run.rate) / 4,
            run.claim_s * SECOND,
            hold=False,
        )
        self.model = RoomModel(limits, refilled_us=(BEGIN_S - _PREQUEUE_S) * SECOND)
        self.forecaster = Forecaster(Terms(run.rate, run.session_s))
        self.history: list[tuple[float, int, int]] = []
        self.buyers = sorted((self._buyer() for _ in range(run.buyers)), key=lambda each: each.arrives_s)
        self.joined: list[Buyer] = []
        self.by_position: dict[int, Buyer] = {}
        self.due: dict[int, list[Buyer]] = {}
        self.asking: dict[int, list[Buyer]] = {}
        self.draw: DrawnPool | None = None
        self.grown: set[str] = set()
        self.ready = 0

    def _buyer(self) -> Buyer:
        dice, kind = self.dice, self.dice.random()
        if kind < 0.4:
            arrives = -dice.uniform(0.0, _PREQUEUE_S - 1.0)
        elif kind < 0.75:
            arrives = min(dice.expovariate(1.0 / 60.0), self.run.tail_s)
        else:
            arrives = dice.uniform(0.0, self.run.tail_s)
        away = dice.random() < self.run.no_shows
        return Buyer(
            arrives,
            comes=not away,
            late=away and dice.random() < self.run.come_back,
            delay_s=dice.uniform(1.0, 15.0),
            stay_s=dice.gammavariate(2.0, self.run.stay_s / 2.0),
        )

    def play(self) -> Outcome:
        second = -_PREQUEUE_S
        while len(self.joined) < self.run.buyers or any(
            buyer.released_s is None for buyer in self.by_position.values()
        ):
            second += 1
            assert second < 20_000, "the line does not end"
            self._step(float(second))
        return self._outcome()

    def _step(self, now_s: float) -> None:
        now_us = (BEGIN_S + int(now_s)) * SECOND
        run, model = self.run, self.model
        while len(self.joined) < run.buyers and self.buyers[len(self.joined)].arrives_s <= now_s:
            buyer = self.buyers[len(self.joined)]
            self.joined.append(buyer)
            self.asking.setdefault(int(now_s), []).append(buyer)
            buyer.number = buyer.position = len(self.joined)
            if not run.drawn or now_s > 0:
                self.by_position[buyer.number] = buyer
        if now_s == 0.0 and run.drawn:
            self._make_draw()
        if now_s >= 0.0:
            model.tail = len(self.joined)
        before = model.released
        self._set_limits(now_s, now_us)
        model.turn(now_us)
        for position in range(before + 1, model.released + 1):
            self._release(self.by_position[position], now_s)
        for buyer in self.due.pop(int(now_s), []):
            self._claim(buyer, now_s, now_us)
        self._tell(self._snapshot(now_s, now_us), now_s)

    def _make_draw(self) -> None:
        self.draw = DrawnPool(DrawRecord("cactus", ((EPOCH, len(self.joined)),), "5a" * 32))
        for buyer in self.joined:
            buyer.position = self.draw.position(EPOCH, buyer.number) or buyer.number
            self.by_position[buyer.position] = buyer

    def _set_limits(self, now_s: float, now_us: int) -> None:
        run, model = self.run, self.model
        held = run.hold is not None and run.hold[0] <= now_s < run.hold[1]
        if held != model.limits.hold:
            limits = model.limits
            model.configure(
                Limits(limits.rate, limits.burst, limits.capacity, limits.fallback, limits.claim_us, held),
                now_us,
            )
        if run.target is not None and int(now_s) % _TARGET_EVERY_S == 0:
            self.ready, share = run.target(now_s)
            rate = Fraction(run.rate * share).limit_denominator(1000)
            model.targets.append(Target(_RULE, now_us, now_us + 30 * SECOND, rate, None))

    def _release(self, buyer: Buyer, now_s: float) -> None:
        buyer.released_s = now_s
        if buyer.comes:
            self.due.setdefault(int(now_s + buyer.delay_s), []).append(buyer)
        elif buyer.late:
            self.due.setdefault(int(now_s + 1.5 * self.run.claim_s), []).append(buyer)

    def _claim(self, buyer: Buyer, now_s: float, now_us: int) -> None:
        before = self.model.released
        outcome = self.model.claim(
            buyer.position, str(buyer.position), int(buyer.stay_s * SECOND) + 1, now_us
        )
        for position in range(before + 1, self.model.released + 1):
            self._release(self.by_position[position], now_s)
        if outcome == "late":
            self.due.setdefault(int(now_s) + 3, []).append(buyer)

    def _snapshot(self, now_s: float, now_us: int) -> Snapshot:
        model = self.model
        self.history.append((now_s, model.released, len(self.joined)))
        then_s, released, tail = self.history[max(0, len(self.history) - 1 - _MEMORY_S)]
        elapsed_s = max(now_s - then_s, 1.0)
        reason = "ceiling"
        if model.limits.hold:
            reason = "hold"
        elif self.run.target is not None and model.rate(now_us) < model.limits.rate:
            reason = f"{_RULE}: {self.ready} ready x 4/s"
        return Snapshot(
            at_s=now_us / SECOND,
            lines=(Line(EPOCH, len(self.joined), model.released, model.settled),),
            rate_per_s=float(model.rate(now_us)),
            rate_reason=reason,
            burst=model.limits.burst,
            capacity=model.capacity(now_us),
            tokens=float(model.tokens),
            sessions=len(model.live(now_us)),
            outstanding=model.outstanding(),
            claimed=len(model.claimed),
            no_shows=model.no_shows,
            late=len(model.late),
            arrivals_per_s=(len(self.joined) - tail) / elapsed_s,
            released_per_s=(model.released - released) / elapsed_s,
            claimed_per_s=0.0,
            opens_at_s=float(BEGIN_S),
            closes_at_s=None,
            hold="a pause" if model.limits.hold else "",
            draw_record="record" if self.draw else "",
            pool=self.draw.record.pool if self.draw else (),
        )

    def _tell(self, snapshot: Snapshot, now_s: float) -> None:
        eta = self.forecaster.see(snapshot)
        if eta.slowdown is not None:
            self.grown.add(eta.slowdown.cause.value)
        asking = asking_for(snapshot.waiting, max(1.0, self.run.buyers / _BUYERS_PER_POLL_PER_S))
        for buyer in self.asking.pop(int(now_s), []):
            if buyer.released_s is not None:
                continue
            place = Place("cactus", EPOCH, buyer.number, 0, b"device")
            standing = stand(
                place,
                snapshot,
                self.draw,
                drawn=self.run.drawn,
                asking=asking,
                eta=eta,
            )
            self.asking.setdefault(int(now_s + max(1.0, standing.retry_after_s)), []).append(buyer)
            if standing.eta_s is not None:
                buyer.told.append((now_s, *standing.eta_s))
            if standing.state is State.WAITING and standing.ahead is not None:
                old_s = (standing.ahead + 1) / (snapshot.released_per_s or snapshot.rate_per_s)
                buyer.old.append((now_s, old_s * (1.0 - _OLD_SPREAD), old_s * (1.0 + _OLD_SPREAD)))

    def _outcome(self) -> Outcome:
        first = [(buyer, buyer.told[0]) for buyer in self.joined if buyer.told]
        later = [
            _share([(buyer, told) for told in buyer.told[1:]]) for buyer in self.joined if buyer.told[1:]
        ]
        old = [(buyer, buyer.old[0]) for buyer in self.joined if buyer.old]
        return Outcome(
            self.run.name,
            len(first),
            _share(first),
            sum(later) / len(later),
            _width(first),
            _share(old),
            _width(old),
            frozenset(self.grown),
        )


def _share(told: list[tuple[Buyer, tuple[float, float, float]]]) -> float:
    held = 0
    for buyer, (at_s, low_s, high_s) in told:
        assert buyer.released_s is not None
        held += low_s <= buyer.released_s - at_s <= high_s
    return held / len(told) if told else 1.0


def _width(told: list[tuple[Buyer, tuple[float, float, float]]]) -> float:
    widths = [(high - low) / ((high + low) / 2.0) for _, (_, low, high) in told if high > 0.0]
    return sum(widths) / len(widths) if widths else 0.0


def _ramp(now_s: float) -> tuple[int, float]:
    """Two replicas at the opening; more are ready from half a minute on, two at a time."""
    ready = 2 if now_s < 30 else 4 if now_s < 60 else 6
    return ready, ready / 6


def _halved(now_s: float) -> tuple[int, float]:
    """Six replicas of nine that there might be, of which three are lost in the middle of the sale."""
    ready = 6 if now_s < 300 else 3
    return ready, ready / 9


RUNS = (
    Run("steady"),
    Run("halved", rate=30.0, target=_halved, tail_s=900.0),
    Run("ramp", rate=60.0, buyers=20_000, target=_ramp, tail_s=300.0),
    Run("no_shows", no_shows=0.10),
    Run("pause", hold=(240.0, 360.0), tail_s=720.0),
    Run("capacity", capacity=1_500, session_s=300.0, stay_s=150.0, tail_s=900.0),
    Run("draw", drawn=True),
)


def smaller(run: Run, times: int) -> Run:
    """Return the run with so many times fewer buyers, who come in as much slower: the same waits for less work."""
    return replace(
        run,
        buyers=run.buyers // times,
        rate=run.rate / times,
        burst=max(1, run.burst // times),
        capacity=run.capacity and run.capacity // times,
    )
