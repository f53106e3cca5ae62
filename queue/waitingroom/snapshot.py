"""The counters of one onsale at one moment of the store's clock: what every answer to a buyer is computed from.

A process refreshes its copy a few times a second and serves every status from it. Frozen: a new state is a new value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rulebook import Outlook, read_outlook
from rulebook.coupling import US_PER_S


@dataclass(frozen=True, slots=True)
class Line:
    """The counters of one epoch: last number issued, highest position released, highest whose claim window has passed.

    `shift` is how many positions the line has beyond its own numbers: those of older epochs whose pre-queue it took in.
    """

    epoch: int
    tail: int
    released: int
    settled: int
    shift: int = 0

    @property
    def waiting(self) -> int:
        """Positions not yet released."""
        return self.tail + self.shift - self.released


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One onsale at store time `at_s`; rates in buyers/s.

    `pool` is what the draw is made among, frozen by the first call past the opening: epoch and size of each pre-queue, oldest
    first; the line of the last one takes them all in. `beacon_source` was announced and `beacon` is its value, "" until it is
    given; the draw waits for it. `settling`: the epoch has just begun, and other processes may know of higher counters which they
    are about to put back. `recovers_within_s`: after a loss of data nobody is released until all have told their sessions, and so
    many seconds are left for that; 0 where nothing was lost. `operated` is what operators have set, as the store keeps it;
    `order` is that of the line, and `config` names the settings in force (see `roomsettings`). `outlook` is what the rule that
    gives the rate expected of it at `outlook_at_s`, within what else bounds it; None where none does. `waiting` is the number of
    buyers in line, over all epochs: every answer names it, so it is counted once.
    """

    at_s: float
    lines: tuple[Line, ...]
    rate_per_s: float
    rate_reason: str
    burst: int
    capacity: int | None
    tokens: float
    sessions: int
    outstanding: int
    claimed: int
    no_shows: int
    late: int
    arrivals_per_s: float
    released_per_s: float
    claimed_per_s: float
    opens_at_s: float | None
    closes_at_s: float | None
    hold: str
    draw_record: str
    pool: tuple[tuple[int, int], ...] = ()
    operated: tuple[tuple[str, str], ...] = ()
    message: str = ""
    soldout: bool = False
    beacon_source: str = ""
    beacon: str = ""
    settling: bool = False
    recovers_within_s: float = 0.0
    order: str = ""
    config: str = ""
    outlook: Outlook | None = None
    outlook_at_s: float = 0.0
    waiting: int = field(init=False)

    def __post_init__(self) -> None:
        """Count."""
        object.__setattr__(self, "waiting", sum(line.waiting for line in self.lines))

    @property
    def epoch(self) -> int:
        """The epoch in which numbers are issued now."""
        return self.lines[-1].epoch

    @property
    def tail(self) -> int:
        """Places issued, over all epochs."""
        return sum(line.tail for line in self.lines)

    @property
    def released(self) -> int:
        """Places whose turn has come, over all epochs."""
        return self.tail - self.waiting

    @property
    def phase(self) -> str:
        """Name where the onsale is: prequeue, open, held or closed."""
        if self.closes_at_s is not None and self.at_s >= self.closes_at_s:
            return "closed"
        if self.opens_at_s is not None and self.at_s < self.opens_at_s:
            return "prequeue"
        return "held" if self.hold else "open"

    @property
    def awaits_beacon(self) -> bool:
        """Tell whether the draw waits for the value of its beacon."""
        return bool(self.pool and self.beacon_source and not self.beacon and not self.draw_record)

    def line(self, epoch: int) -> Line | None:
        """Return the line of `epoch`, or None if it is unknown here."""
        for line in self.lines:
            if line.epoch == epoch:
                return line
        return None


def read_snapshot(fields: Mapping[str, str]) -> Snapshot:
    """Build a snapshot from the flat reply of the store's scripts.

    Raises:
        KeyError, ValueError: the reply is not of this version of the scripts.
    """
    lines = tuple(_read_line(int(epoch), fields) for epoch in fields["epochs"].split(",") if epoch)
    return Snapshot(
        at_s=_seconds(fields["at_us"]),
        lines=lines,
        rate_per_s=float(fields["rate_now"]),
        rate_reason=fields["rate_reason"],
        burst=int(float(fields["burst"])),
        capacity=int(float(fields["capacity_now"])) if fields["capacity_now"] else None,
        tokens=float(fields["tokens"]),
        sessions=int(fields["sessions"]),
        outstanding=int(float(fields["outstanding"])),
        claimed=int(float(fields["claimed"])),
        no_shows=int(float(fields["no_shows"])),
        late=int(fields["late"]),
        arrivals_per_s=float(fields["arrivals_per_s"]),
        released_per_s=float(fields["released_per_s"]),
        claimed_per_s=float(fields["claimed_per_s"]),
        opens_at_s=_seconds(fields["opens_us"]) or None,
        closes_at_s=_seconds(fields["closes_us"]) or None,
        hold=fields["hold"],
        draw_record=fields["draw"],
        pool=_read_pool(fields["pool"]),
        operated=tuple(
            (name.removeprefix("operated:"), value)
            for name, value in fields.items()
            if name.startswith("operated:")
        ),
        message=fields.get("message", ""),
        soldout=bool(fields.get("soldout")),
        beacon_source=fields.get("beacon_source", ""),
        beacon=fields.get("beacon", ""),
        settling=bool(fields.get("settling")),
        recovers_within_s=_seconds(fields.get("recovers_us", "0")),
        order=fields.get("order", ""),
        config=fields.get("config", ""),
        outlook=_read_outlook(fields),
        outlook_at_s=_seconds(fields.get("outlook_us", "0")),
    )


def _read_line(epoch: int, fields: Mapping[str, str]) -> Line:
    return Line(
        epoch=epoch,
        tail=int(float(fields.get(f"tail:{epoch}", "0"))),
        released=int(float(fields.get(f"released:{epoch}", "0"))),
        settled=int(float(fields.get(f"settled:{epoch}", "0"))),
        shift=int(float(fields.get(f"shift:{epoch}", "0"))),
    )


def _read_outlook(fields: Mapping[str, str]) -> Outlook | None:
    outlook = read_outlook(fields.get("outlook", ""))
    return None if outlook is None else outlook.within(float(fields["outlook_bound"]))


def _read_pool(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (part.split(":") for part in text.split(",") if part)
    return tuple((int(epoch), int(size)) for epoch, size in pairs)


def _seconds(microseconds: str) -> float:
    return float(microseconds) / US_PER_S
