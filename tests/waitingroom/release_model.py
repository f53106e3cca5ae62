"""What the release script promises, as plain Python: the bucket, its batches, late buyers and claims, in exact fractions.

Written from the design and not from the scripts: it shares no step of theirs beyond the order which the design lays down.
It knows no store, epochs, opening or draw; time comes in, in whole microseconds of the store's clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

SECOND = 1_000_000
REMEMBERED_S = 120
MISSED_US = 60 * SECOND


@dataclass(frozen=True)
class Limits:
    """What the onsale's document and ops set."""

    rate: Fraction
    burst: int
    capacity: int | None
    fallback: Fraction | None
    claim_us: int
    hold: bool


@dataclass(frozen=True)
class Target:
    """An admission target of one rule, in force from `begins_us` until the rule's next one begins; good until `ends_us`.

    One that is `withdrawn` takes back what the rule has said before.
    """

    rule: str
    begins_us: int
    ends_us: int
    rate: Fraction
    capacity: int | None
    withdrawn: bool = False


@dataclass
class Batch:
    """Positions released within one second, or one late buyer served; the claim window counts from `at_us`."""

    positions: range
    at_us: int
    late: bool


@dataclass
class RoomModel:
    """One onsale's counters. `nudge` is added to the tokens where whole ones are counted (see `turn`)."""

    limits: Limits
    refilled_us: int
    tokens: Fraction = Fraction(0)
    tail: int = 0
    released: int = 0
    settled: int = 0
    no_shows: int = 0
    targets: list[Target] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    claimed: set[int] = field(default_factory=set)
    late: list[int] = field(default_factory=list)
    sessions: dict[str, int] = field(default_factory=dict)
    joined: dict[str, tuple[int, int]] = field(default_factory=dict)
    nudge: Fraction = Fraction(0)

    def in_force(self, at_us: int) -> list[Target]:
        """Return each rule's newest target begun by `at_us`, in the order written; none of one that was withdrawn."""
        newest = {target.rule: target for target in self.targets if target.begins_us <= at_us}
        return [
            target for target in self.targets if target is newest.get(target.rule) and not target.withdrawn
        ]

    def rate(self, at_us: int) -> Fraction:
        """Return the lowest of the ceiling and what each rule allows; an expired target allows the fallback rate.

        Where another rule's is fresh, one that expired a minute ago or earlier is that of a rule which is gone.
        """
        if self.limits.hold:
            return Fraction(0)
        allowed = [self.limits.rate]
        targets = self.in_force(at_us)
        some_are_fresh = any(at_us < target.ends_us for target in targets)
        for target in targets:
            if some_are_fresh and at_us >= target.ends_us + MISSED_US:
                continue
            fresh = at_us < target.ends_us or self.limits.fallback is None
            allowed.append(target.rate if fresh else self.limits.fallback or Fraction(0))
        return min(allowed)

    def size(self, at_us: int) -> Fraction:
        """Return the bucket's size: the burst, or one second of the rate where that is more."""
        return max(Fraction(self.limits.burst), self.rate(at_us))

    def capacity(self, at_us: int) -> int | None:
        """Return the lowest capacity of the document and of all targets that are good at `at_us`."""
        bounds = [self.limits.capacity]
        bounds += [target.capacity for target in self.in_force(at_us) if at_us < target.ends_us]
        return min((bound for bound in bounds if bound is not None), default=None)

    def edges(self, after_us: int, until_us: int) -> list[int]:
        """Return the moments in (after, until) at which a target begins, ends or is missed for a minute, in order."""
        moments = {
            moment
            for target in self.targets
            for moment in (target.begins_us, target.ends_us, target.ends_us + MISSED_US)
        }
        return sorted(moment for moment in moments if after_us < moment < until_us)

    def live(self, now_us: int) -> set[str]:
        """Return the sessions which have not ended by `now_us`."""
        return {session for session, ends_us in self.sessions.items() if ends_us > now_us}

    def outstanding(self) -> int:
        """Count places whose claim window is open and which nobody has claimed."""
        return sum(len(set(batch.positions) - self.claimed) for batch in self.batches)

    def free(self, now_us: int) -> float:
        """Return how many more may be let in before sessions and open claims reach the capacity."""
        capacity = self.capacity(now_us)
        if capacity is None:
            return math.inf
        return max(0, capacity - len(self.live(now_us)) - self.outstanding())

    def turn(self, now_us: int) -> None:
        """Refill, settle no-shows, serve late buyers, release: the design's order.

        The store counts tokens in doubles. Where the exact sum is a whole number, theirs may lie a hair below or above it, and
        either is right: a caller who finds such a case tries again with a `nudge`.
        """
        self._refill(now_us)
        self._forget_replaced_targets(now_us)
        self._settle(now_us)
        if self.limits.hold:
            return
        available = min(math.floor(self.tokens + self.nudge), self.free(now_us))
        while available >= 1 and self.late:
            position = self.late.pop(0)
            self.batches.append(Batch(range(position, position + 1), now_us, late=True))
            self.tokens -= 1
            available -= 1
        count = int(min(available, self.tail - self.released))
        if count > 0:
            self._release(count, now_us)

    def join(self, devices: list[str], numbers: list[int], now_us: int) -> str | None:
        """Take the numbers which the store gave to `devices`; tell what is wrong with them."""
        for device, number in zip(devices, numbers, strict=True):
            before, at_us = self.joined.get(device, (0, -math.inf))
            if number == before:
                continue
            if now_us - at_us <= REMEMBERED_S * SECOND:
                return f"{device} joined as {before}, and is now {number}"
            if number != self.tail + 1:
                return f"number {number} given where the last one was {self.tail}"
            self.tail = number
            self.joined[device] = number, now_us
        return None

    def claim(self, position: int, session: str, length_us: int, now_us: int) -> str:
        """Exchange a released place for a session; name the outcome."""
        self.turn(now_us)
        if position in self.claimed:
            return "again" if session in self.live(now_us) else "ended"
        if position > self.released:
            return "waiting"
        if not self._may_claim(position) and position not in self.late:
            self.late.append(position)
            self.turn(now_us)
        if not self._may_claim(position):
            return "late"
        self.claimed.add(position)
        self.sessions[session] = now_us + length_us
        return "admitted"

    def end(self, session: str, now_us: int) -> bool:
        """End a session; tell whether it was live."""
        was_live = session in self.live(now_us)
        self.sessions.pop(session, None)
        return was_live

    def configure(self, limits: Limits, now_us: int) -> None:
        """Put other limits in force; the time before is settled at the old ones."""
        self.turn(now_us)
        self.limits = limits

    def _may_claim(self, position: int) -> bool:
        return any(position in batch.positions for batch in self.batches)

    def _refill(self, now_us: int) -> None:
        begin = self.refilled_us
        for edge in [*self.edges(begin, now_us), now_us]:
            gained = self.rate(begin) * (edge - begin) / SECOND
            self.tokens = min(self.size(begin), self.tokens + gained)
            begin = edge
        # The bucket is never fuller than its size at this very moment, also where a smaller one has just come into force.
        self.tokens = min(self.size(now_us), self.tokens)
        self.refilled_us = now_us

    def _forget_replaced_targets(self, now_us: int) -> None:
        in_force = self.in_force(now_us)
        self.targets = [
            target
            for target in self.targets
            if target.begins_us > now_us or any(target is other for other in in_force)
        ]

    def _settle(self, now_us: int) -> None:
        while self.batches and self.batches[0].at_us + self.limits.claim_us <= now_us:
            batch = self.batches.pop(0)
            unclaimed = len(set(batch.positions) - self.claimed)
            self.no_shows += unclaimed
            self.tokens = min(self.size(now_us), self.tokens + unclaimed)
            if not batch.late:
                self.settled = batch.positions[-1]

    def _release(self, count: int, now_us: int) -> None:
        first = self.released + 1
        self.released += count
        self.tokens -= count
        newest = self.batches[-1] if self.batches else None
        if newest and not newest.late and newest.at_us // SECOND == now_us // SECOND:
            newest.positions = range(newest.positions.start, self.released + 1)
            newest.at_us = now_us
        else:
            self.batches.append(Batch(range(first, self.released + 1), now_us, late=False))
