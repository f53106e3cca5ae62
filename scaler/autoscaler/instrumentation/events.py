"""The events, one frozen value each, and the small protocol of whoever wants to hear of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from autoscaler.admission import AdmissionTarget, Written
from autoscaler.conditions import Condition
from autoscaler.sources.base import Answer
from rulebook.decision import Decision

STEPS = (
    "fence",
    "read target",
    "decide",
    "scale",
    "write admission",
    "outbid",
    "keep memory",
    "watch target",
    "round",
)
"""The steps of a rule's rounds, each of which may fail; "round" stands for what none of them foresaw."""


@dataclass(frozen=True, slots=True)
class RuleDecided:
    """A rule has been evaluated; nothing has been changed yet."""

    rule: str
    decision: Decision
    answers: Mapping[str, Answer]
    at_s: float
    bounds: tuple[int, int] = (0, 0)
    """The least and the most replicas that the rule's document allows."""


@dataclass(frozen=True, slots=True)
class RuleScaled:
    """A target was asked for another number of replicas."""

    rule: str
    target: str
    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True)
class ManualScale:
    """Somebody else changed a target's count; it is left as it is for the round that saw it. `by` may be unknown."""

    rule: str
    target: str
    before: int
    after: int
    by: str


@dataclass(frozen=True, slots=True)
class ScaleConflict:
    """A target had changed since it was decided on, so nothing was written; it is read and decided on again."""

    rule: str
    target: str
    wanted: int


@dataclass(frozen=True, slots=True)
class ConditionChanged:
    """A condition of a rule came to hold, ceased to, or has another reason."""

    rule: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class WatchInterrupted:
    """Following `what` came to an end before its time; it is begun again after a while, from a new list when `relist`."""

    what: str
    error: str
    relist: bool
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class EventNotWritten:
    """An Event about a target could not be written to the cluster, and is given up."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class AdmissionWritten:
    """An admission target went to the store, which took or refused it."""

    target: AdmissionTarget
    written: Written


@dataclass(frozen=True, slots=True)
class AdmissionWithdrawn:
    """A rule bounds an onsale no longer, by the documents, and its admission target was taken back."""

    onsale: str
    rule: str


@dataclass(frozen=True, slots=True)
class AdmissionNotWithdrawn:
    """The admission target of such a rule could not be taken back; it is tried again each second."""

    onsale: str
    rule: str
    error: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """One step of a round failed; the loop goes on."""

    rule: str
    step: str
    error: str
    at_s: float


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """All steps of a round are done, `ok` if none of them failed."""

    rule: str
    ok: bool
    at_s: float
    took_s: float


@dataclass(frozen=True, slots=True)
class MemoryRecalled:
    """What a rule remembers was asked for; `origin` says what came of it, `replicas` is the count last asked for."""

    rule: str
    where: str
    origin: str
    replicas: int | None


@dataclass(frozen=True, slots=True)
class ClockCorrected:
    """The system clock jumped by so many seconds between two rounds; what the rule remembers was moved along."""

    rule: str
    by_s: float


@dataclass(frozen=True, slots=True)
class RulesLoaded:
    """Documents were read: these rules are in force, `outdated` of them in their last good form; `refused` says why."""

    rules: tuple[str, ...]
    outdated: frozenset[str]
    refused: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True)
class RuleStarted:
    """A rule's target was opened; its rounds begin."""

    rule: str
    at_s: float


@dataclass(frozen=True, slots=True)
class RuleNotStarted:
    """A rule's target could not be opened; that is tried again when the documents are read again."""

    rule: str
    error: str


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    """A rule is no longer evaluated; its target was left as it was."""

    rule: str


@dataclass(frozen=True, slots=True)
class ReplicaStarted:
    """A process of a pool was started."""

    pool: str
    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class ReplicaNotStarted:
    """A process of a pool could not be started; it is tried again."""

    pool: str
    error: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class ReplicaReadiness:
    """A replica became ready, or ceased to be."""

    pool: str
    url: str
    ready: bool


@dataclass(frozen=True, slots=True)
class ReplicaExited:
    """A process of a pool ended; `restart_in_s` is None where we wanted it to."""

    pool: str
    url: str
    code: int
    restart_in_s: float | None


@dataclass(frozen=True, slots=True)
class EndpointsNotWritten:
    """The endpoints file of a pool could not be replaced; the old one stands."""

    pool: str
    error: str


@dataclass(frozen=True, slots=True)
class LeadershipChanged:
    """This process leads or not, another holds the lease, or the term is another one; `reason` may be empty.

    `on_duty` without `leading`: the lease could not be renewed in time, and nobody else is known to have it.
    """

    leading: bool
    on_duty: bool
    holder: str
    term: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseFailed:
    """The lease could not be read or written; the next try follows in seconds."""

    error: str


@dataclass(frozen=True, slots=True)
class QueryAnswered:
    """A Prometheus was asked, and gave a number or not; queries that rules share are asked once."""

    ok: bool
    took_s: float


@dataclass(frozen=True, slots=True)
class ApiAnswered:
    """The API server was asked; `code` is the HTTP status of its answer, or "none"."""

    verb: str
    code: str
    took_s: float


Event: TypeAlias = (
    RuleDecided
    | RuleScaled
    | ManualScale
    | ScaleConflict
    | ConditionChanged
    | WatchInterrupted
    | EventNotWritten
    | AdmissionWritten
    | AdmissionWithdrawn
    | AdmissionNotWithdrawn
    | StepFailed
    | RoundEnded
    | MemoryRecalled
    | ClockCorrected
    | RulesLoaded
    | RuleStarted
    | RuleNotStarted
    | RuleRemoved
    | ReplicaStarted
    | ReplicaNotStarted
    | ReplicaReadiness
    | ReplicaExited
    | EndpointsNotWritten
    | LeadershipChanged
    | LeaseFailed
    | QueryAnswered
    | ApiAnswered
)


class Instrument(Protocol):
    """Hears of events. It must not raise, nor wait."""

    def record(self, event: Event) -> None:
        """Take note of an event."""
        ...
