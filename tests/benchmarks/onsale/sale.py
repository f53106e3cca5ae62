"""One sale, run from beginning to end by one contender, in virtual time; what came of it for each buyer."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autoscaler.admission import admission_target
from autoscaler.sources.room import as_crowd
from tests.benchmarks.bound import Mark, excess
from tests.benchmarks.onsale.crowd import Buyer
from tests.benchmarks.onsale.pilots import Pilot
from tests.benchmarks.onsale.shop import Shop, ShopTerms
from tests.benchmarks.onsale.virtual_room import ONSALE, Deeds, Turned, VirtualRoom
from tests.benchmarks.onsale.waits import Told, Waits
from waitingroom.draw import Draw, make_draw
from waitingroom.pace import Terms
from waitingroom.polling import Asking, asking_of
from waitingroom.snapshot import Snapshot
from waitingroom.store.client import ClaimOutcome

OPENS_AT_S = 1_900_000_000.0
TICK_S = 0.2
"""How often the room releases, as in production."""
LIMIT_S = 4 * 3600.0
POLL_BUDGET_PER_S = 1000.0
_SESSION_S = 600.0
_SESSION_US = round(_SESSION_S * 1e6)
_LATE_RETRY_S = 3.0
_VALIDITY_S = 25.0
_SEED = b"an onsale in virtual time"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens: the crowd, the shop as it is, and when so many (`lost`) of its replicas die."""

    name: str
    buyers: Sequence[Buyer]
    terms: ShopTerms
    prequeue: bool = False
    lost_at_s: float | None = None
    lost: int = 1

    @property
    def begins_s(self) -> float:
        """When the simulation begins, from the opening: a minute before anything happens."""
        return min(0.0, self.buyers[0].arrives_s) - 60.0


@dataclass(slots=True)
class Fate:
    """What became of a buyer; times from the opening. `rank` is the place in the order in which buyers should be served."""

    rank: int = 0
    turn_s: float | None = None
    entered_s: float | None = None
    checkout_s: float | None = None


@dataclass(slots=True)
class Outcome:
    """One contender's run."""

    fates: list[Fate]
    shop: Shop
    small_again_s: float
    """When the sale was over and the shop at its least again."""
    highest_excess: float = 0.0
    """Buyers let in beyond the bucket at the worst moment (P4)."""
    reasons: list[tuple[float, float, str]] = field(default_factory=list)
    """(time, rate, reason) whenever the admission rate changed."""
    ready: list[tuple[float, int]] = field(default_factory=list)
    """(time, ready replicas) at each tick."""
    told: Sequence[Sequence[Told]] = ()
    """What each buyer was told of the wait; nothing where there is no line."""


class _Sale:
    """What all contenders share: buyers in the shop, and the end."""

    def __init__(self, scenario: Scenario, seed: int, pilot: Pilot) -> None:
        self.scenario = scenario
        self.shop = Shop(scenario.terms, seed, scenario.begins_s)
        self.pilot = pilot
        self.fates = [Fate(rank=index) for index in range(len(scenario.buyers))]
        self.left = sum(1 for buyer in scenario.buyers if not buyer.no_show)
        self.on_leave: Callable[[int], None] = lambda _: None
        if scenario.lost_at_s is not None:
            for _ in range(scenario.lost):
                self.shop.at(scenario.lost_at_s, self.shop.kill)

    def enter(self, index: int, now_s: float) -> None:
        """A buyer comes in and sends the first request."""
        pauses = iter(self.scenario.buyers[index].pauses_s)
        remaining = len(self.scenario.buyers[index].pauses_s)
        fate = self.fates[index]

        def begun(moment_s: float) -> None:
            if fate.entered_s is None:
                fate.entered_s = moment_s

        def sent(moment_s: float) -> None:
            if remaining == 0 and fate.checkout_s is None:
                fate.checkout_s = moment_s

        def send(moment_s: float) -> None:
            sent(moment_s)
            self.shop.request(moment_s, begun, done)

        def done(moment_s: float) -> None:
            nonlocal remaining
            pause_s = next(pauses, None)
            if pause_s is None:
                self.left -= 1
                self.on_leave(index)
                return
            remaining -= 1
            self.shop.at(moment_s + pause_s, send)

        send(now_s)

    def over(self, now_s: float) -> bool:
        """Whether all were served and the shop is at its least again."""
        return self.left == 0 and self.shop.ordered == self.scenario.terms.least and now_s > 0


def run_open(scenario: Scenario, seed: int, pilot: Pilot) -> Outcome:
    """Let everybody go straight to the shop from the opening on."""
    sale = _Sale(scenario, seed, pilot)
    for index, buyer in enumerate(scenario.buyers):
        if not buyer.no_show:
            begins_s = max(0.0, buyer.arrives_s)
            sale.fates[index].turn_s = begins_s
            sale.shop.at(begins_s, lambda moment, index=index: sale.enter(index, moment))
    now_s, ready = scenario.begins_s, []
    while not sale.over(now_s) and now_s < LIMIT_S:
        now_s += TICK_S
        sale.shop.advance(now_s)
        ready.append((now_s, sale.shop.ready))
        pilot.look(sale.shop, now_s)
        if now_s >= pilot.due_s:
            pilot.steer(sale.shop, None, now_s, OPENS_AT_S + now_s)
    for fate in sale.fates:
        # Without a line, the shop's own is what a buyer waits in.
        fate.turn_s = fate.entered_s
    return Outcome(sale.fates, sale.shop, now_s, ready=ready)


def run_roomed(scenario: Scenario, seed: int, pilot: Pilot, room: VirtualRoom, *, coupled: bool) -> Outcome:
    """Let everybody wait their turn; with `coupled`, the rate follows the shop."""
    run = _RoomedSale(scenario, seed, pilot, room, coupled=coupled)
    now_s, ready = scenario.begins_s, []
    while not run.sale.over(now_s) and now_s < LIMIT_S:
        now_s += TICK_S
        run.tick(now_s)
        ready.append((now_s, run.sale.shop.ready))
    return Outcome(
        run.sale.fates, run.sale.shop, now_s, float(excess(run.marks)), run.reasons, ready, run.waits.told
    )


class _RoomedSale:
    def __init__(
        self, scenario: Scenario, seed: int, pilot: Pilot, room: VirtualRoom, *, coupled: bool
    ) -> None:
        self.sale = _Sale(scenario, seed, pilot)
        self.marks: list[Mark] = []
        self.reasons: list[tuple[float, float, str]] = []
        self.waits = Waits(len(scenario.buyers), Terms(room.ceiling_per_s, _SESSION_S))
        self._room = room
        self._coupled = coupled
        self._dice = random.Random(seed)
        self._arriving = 0
        self._claims: list[tuple[float, int]] = []
        self._ended: list[str] = []
        self._position_of: dict[int, int] = {}
        self._at_position: dict[int, int] = {}
        self._numbered: list[tuple[int, int]] = []
        self._draw: Draw | None = None
        self._told = 0
        self._announced = -1
        self._brought = 0.0
        self._rate_before = 0.0
        self.sale.on_leave = lambda index: self._ended.append(f"session-{index}")

    def tick(self, now_s: float) -> None:
        """Let what is due by `now_s` happen."""
        sale, pilot = self.sale, self.sale.pilot
        sale.shop.advance(now_s)
        joining = self._arrivals(now_s)
        claiming = self._due_claims(now_s)
        deeds = Deeds(
            [f"device-{index}" for index in joining],
            [(self._position_of[index], f"session-{index}") for index in claiming],
            self._ended[:],
        )
        self._ended.clear()
        turned = self._room.turn(OPENS_AT_S + now_s, deeds, _SESSION_US)
        self._numbered += zip(joining, turned.numbers, strict=True)
        self.waits.join(joining, now_s)
        self._seat(turned.snapshot)
        self._enter(claiming, turned, now_s)
        asking = asking_of(
            turned.snapshot,
            POLL_BUDGET_PER_S,
            ceiling_per_s=self._room.ceiling_per_s,
            claim_within_s=self._room.claim_within_s,
        )
        self._tell(turned.snapshot, asking, now_s)
        self.waits.tell(turned.snapshot, asking, self._position_of, now_s)
        self._mark(turned.snapshot)
        if not self.reasons or self.reasons[-1][1] != turned.snapshot.rate_per_s:
            self.reasons.append((now_s, turned.snapshot.rate_per_s, turned.snapshot.rate_reason))
        pilot.look(sale.shop, now_s)
        if now_s >= pilot.due_s:
            published = self._room.published(OPENS_AT_S + now_s)
            pilot.steer(sale.shop, as_crowd(published, OPENS_AT_S + now_s), now_s, OPENS_AT_S + now_s)
            self._announce(now_s)
        elif sale.shop.ready != self._announced:
            self._announce(now_s)

    def _mark(self, snapshot: Snapshot) -> None:
        """Note what was released and what the bucket allowed, for P4; a rate changes just after a turn and holds to the next."""
        if self.marks:
            self._brought += snapshot.rate_per_s * TICK_S
        allowed = self._brought + snapshot.no_shows
        size = max(float(snapshot.burst), snapshot.rate_per_s, self._rate_before)
        self.marks.append(Mark(snapshot.released, snapshot.released, allowed, allowed, size, size))
        self._rate_before = snapshot.rate_per_s

    def _arrivals(self, now_s: float) -> list[int]:
        buyers, first = self.sale.scenario.buyers, self._arriving
        while self._arriving < len(buyers) and buyers[self._arriving].arrives_s <= now_s:
            self._arriving += 1
        return list(range(first, self._arriving))

    def _due_claims(self, now_s: float) -> list[int]:
        due = []
        while self._claims and self._claims[0][0] <= now_s:
            due.append(heapq.heappop(self._claims)[1])
        return due

    def _seat(self, snapshot: Snapshot) -> None:
        """Find the positions of those who have numbers; in a draw nobody has one before it is published."""
        if self.sale.scenario.prequeue and self._draw is None:
            if not snapshot.pool:
                return
            self._draw = make_draw(_SEED, ONSALE, snapshot.pool[0][1])
            self._room.publish_draw("published")
        for index, number in self._numbered:
            position = number if self._draw is None else self._draw.position(number)
            self._position_of[index] = self.sale.fates[index].rank = position
            self._at_position[position] = index
        self._numbered.clear()

    def _enter(self, claiming: Sequence[int], turned: Turned, now_s: float) -> None:
        for index, outcome in zip(claiming, turned.outcomes, strict=True):
            if outcome == ClaimOutcome.ADMITTED:
                self.sale.enter(index, now_s)
            else:
                heapq.heappush(self._claims, (now_s + _LATE_RETRY_S, index))

    def _tell(self, snapshot: Snapshot, asking: Asking, now_s: float) -> None:
        """Whoever was released learns it with the next question, and comes in after a moment."""
        buyers = self.sale.scenario.buyers
        released = snapshot.lines[-1].released
        for position in range(self._told + 1, released + 1):
            index = self._at_position[position]
            self.sale.fates[index].turn_s = now_s
            if not buyers[index].no_show:
                asks = asking.retry_after_s(0, position) * self._dice.random()
                heapq.heappush(self._claims, (now_s + asks + buyers[index].reaction_s, index))
        self._told = max(self._told, released)

    def _announce(self, now_s: float) -> None:
        """Tell the room what the replicas that are ready now can take."""
        self._announced = self.sale.shop.ready
        decision, rule = self.sale.pilot.decision, self.sale.pilot.rule
        if not self._coupled or decision is None:
            return
        target = admission_target(
            rule, decision, self._announced, validity_s=_VALIDITY_S, term=0, now_s=OPENS_AT_S + now_s
        )
        if target is not None:
            self._room.write_target(target, OPENS_AT_S + now_s)
