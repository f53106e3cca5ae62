"""What a run is counted from: what each buyer saw, what the shop's replicas logged, and samples of rate and replicas.

Times are unix seconds. The store, the room, the shop and the crowd of a demo run on one machine and so share one clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from tidegate.demo.shapes import Kind

CONNECTION_FAILED = 0
"""Stands for a status code where no answer came."""

BUYER_HEADER = "X-Demo-Buyer"
"""Names the buyer to the shop, which logs it beside the session: neither the room nor the gate reads it."""


class Outcome(StrEnum):
    """How a buyer's day ended."""

    SERVED = "served"
    LEFT = "left"
    UNSERVED = "unserved"


class Step(StrEnum):
    """The shop's pages on the way to a concert ticket."""

    LANDING = "landing"
    SEATS = "seats"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class ShopVisit:
    """One request to the shop as its buyer saw it."""

    step: Step
    status: int
    begun_s: float
    latency_s: float

    @property
    def succeeded(self) -> bool:
        """Whether the shop did what was asked."""
        return self.status == 200

    @property
    def failed(self) -> bool:
        """Whether the shop was at fault: a 5xx, or no answer at all."""
        return self.status == CONNECTION_FAILED or self.status >= 500


@dataclass(frozen=True, slots=True)
class ToldWait:
    """The range of a wait as a buyer was told it, in seconds from store time `as_of_s` on."""

    as_of_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class BuyerRecord:
    """Everything one buyer saw, in all tabs.

    `numbers` and `positions` hold each distinct (epoch, number) and (epoch, position) once; `no_place` counts answers "you
    hold no place" after joining. Of the statuses the last "not your turn" and the first "your turn" are kept, by the store
    time (`as_of`) they were true at; `told` holds every range of the wait that was shown, `reasons` once the code of each reason
    that was given for a longer one. `admitted_s` is when the first tab was let in, by the buyer's clock.
    """

    buyer: int
    kind: Kind
    arrived_s: float
    outcome: Outcome
    numbers: tuple[tuple[int, int], ...] = ()
    positions: tuple[tuple[int, int], ...] = ()
    no_place: int = 0
    last_waiting_as_of_s: float | None = None
    first_released_as_of_s: float | None = None
    sessions: tuple[str, ...] = ()
    admitted_s: float | None = None
    visits: tuple[ShopVisit, ...] = ()
    room_errors: int = 0
    told: tuple[ToldWait, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether this buyer wanted to be served."""
        return self.kind is not Kind.LEAVER

    @property
    def joined(self) -> bool:
        """Whether this buyer was ever given a place."""
        return bool(self.numbers)

    @property
    def checkout_begun_s(self) -> float | None:
        """When the checkout that succeeded was begun."""
        for visit in self.visits:
            if visit.step is Step.CHECKOUT and visit.succeeded:
                return visit.begun_s
        return None


@dataclass(frozen=True, slots=True)
class ServedEntry:
    """One line of a replica's served log. `status` and `latency_s` stand in the `done` entries."""

    at_s: float
    session: str | None
    buyer: int | None
    step: Step
    kind: str
    status: int | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateSample:
    """The room's public state at store time `as_of_s`; rates in buyers/s. `no_shows` is how many turns nobody took, in all.

    `capacity` is how many may be inside at once; None: there is no bound, or the record is older than this field.
    """

    as_of_s: float
    rate_per_s: float
    burst: int
    released: int = 0
    waiting: int = 0
    reason: str = ""
    no_shows: int = 0
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class ReplicaSample:
    """The shop's replicas as the scaler saw them at `at_s`."""

    at_s: float
    desired: int
    ready: int


@dataclass(frozen=True, slots=True)
class TargetSample:
    """An admission target as the scaler says that it wrote it, in buyers/s: in force from `from_s` until `until_s` at the most.

    Both are store times, as are those of a `RateSample`; another target may take its place earlier.
    """

    from_s: float
    until_s: float
    rate_per_s: float


Record = TypeVar("Record", BuyerRecord, ServedEntry, RateSample, ReplicaSample, TargetSample)


def write_records(path: Path, records: list[Record]) -> None:
    """Write records as JSON lines, whole or not at all."""
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as lines:
        if records:
            adapter = TypeAdapter(type(records[0]))  # dear to make, and all records of a file are of one kind
            lines.writelines(adapter.dump_json(record) + b"\n" for record in records)
    draft.replace(path)


def read_records(kind: type[Record], path: Path) -> list[Record]:
    """Read JSON lines; a last line cut short by a killed writer is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not such a record.
    """
    adapter: TypeAdapter[Record] = TypeAdapter(kind)
    lines = path.read_bytes().split(b"\n")
    return [adapter.validate_json(line) for line in lines[:-1] if line]
