"""What a rule remembers from one decision to the next. Frozen: each decision returns the memory for the one after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from rulebook.errors import RulebookError
from rulebook.events import ScaleEvent, store_event
from rulebook.observation import OnsaleTimes
from rulebook.startup import NONE_SEEN, StartUps


@dataclass(frozen=True, slots=True)
class TimedRecommendation:
    """What was recommended, before stabilisation, at a time."""

    replicas: int
    at_s: float


@dataclass(frozen=True, slots=True)
class CrowdDeadline:
    """By when the backlog which a crowd signal saw begin is to be served."""

    signal: str
    at_s: float


@dataclass(frozen=True, slots=True)
class SeenOnsale:
    """The times of an onsale as they were last seen: a room that cannot be reached still opens."""

    onsale: str
    times: OnsaleTimes


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything a rule remembers; `Memory()` remembers nothing.

    `up_period_s` and `down_period_s` are the longest policy periods, beyond which events are outdated; None (no
    behaviour) means that events are not kept, as in the HPA. `slow_factor` is what admission is multiplied by, last
    changed at `slow_at_s`. Since `blind_since_s` data has been missing that the decision needs. `start_ups` are the target's own.
    """

    recommendations: tuple[TimedRecommendation, ...] = ()
    scale_up_events: tuple[ScaleEvent, ...] = ()
    scale_down_events: tuple[ScaleEvent, ...] = ()
    up_period_s: float | None = None
    down_period_s: float | None = None
    crowd_deadlines: tuple[CrowdDeadline, ...] = ()
    onsales: tuple[SeenOnsale, ...] = ()
    slow_factor: float = 1.0
    slow_at_s: float | None = None
    blind_since_s: float | None = None
    start_ups: StartUps = NONE_SEEN

    def after_scaling(self, before: int, after: int, now_s: float) -> Memory:
        """Remember a change that was carried out; to be called only when the write succeeded."""
        if after > before:
            events = store_event(self.scale_up_events, after - before, now_s, self.up_period_s)
            return replace(self, scale_up_events=events, start_ups=self.start_ups.order(after, now_s))
        if after < before:
            events = store_event(self.scale_down_events, before - after, now_s, self.down_period_s)
            return replace(self, scale_down_events=events)
        return self

    def deadline(self, signal: str) -> float | None:
        """When the backlog of a crowd signal is due; None while there is none."""
        return next((entry.at_s for entry in self.crowd_deadlines if entry.signal == signal), None)

    def onsale(self, name: str) -> OnsaleTimes | None:
        """The times of an onsale as they were last seen."""
        return next((entry.times for entry in self.onsales if entry.onsale == name), None)

    def to_json(self) -> str:
        """Encode, so that a restart forgets nothing."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Memory:
        """Decode what `to_json` encoded.

        Raises:
            MemoryTextError: not such a text.
        """
        try:
            return _ADAPTER.validate_json(text)
        except ValueError as error:
            raise MemoryTextError("not a rule's memory") from error


class MemoryTextError(RulebookError, ValueError):
    """A text is not a rule's memory; whoever reads it starts from `Memory()`."""


_ADAPTER: Final = TypeAdapter(Memory)
