"""What a rule remembers from one decision to the next. Frozen: each decision returns the memory for the one after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rulebook.events import MAX_LOG, ScaleEvent, store_event
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
    changed at `slow_at_s` and last lowered at `slow_cut_at_s`, when the shop had been slow at the factor `slow_limit` (None where
    that was the whole rate). Since `blind_since_s` data has been missing that the decision needs. `at_start` is the count
    that was found where what came before is not remembered: until a whole window has passed, nothing goes below it.
    `start_ups` are the target's own.
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
    slow_cut_at_s: float | None = None
    slow_limit: float | None = None
    blind_since_s: float | None = None
    at_start: TimedRecommendation | None = None
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

    def moved(self, by_s: float) -> Memory:
        """Give the same memory for a clock that was corrected by so many seconds: what lay a minute back still does."""

        def at(time_s: float | None) -> float | None:
            return None if time_s is None else time_s + by_s

        start = self.at_start
        return replace(
            self,
            recommendations=tuple(replace(entry, at_s=entry.at_s + by_s) for entry in self.recommendations),
            scale_up_events=tuple(replace(event, at_s=event.at_s + by_s) for event in self.scale_up_events),
            scale_down_events=tuple(
                replace(event, at_s=event.at_s + by_s) for event in self.scale_down_events
            ),
            crowd_deadlines=tuple(replace(entry, at_s=entry.at_s + by_s) for entry in self.crowd_deadlines),
            onsales=tuple(
                replace(entry, times=replace(entry.times, opens_at_s=at(entry.times.opens_at_s)))
                for entry in self.onsales
            ),
            slow_at_s=at(self.slow_at_s),
            slow_cut_at_s=at(self.slow_cut_at_s),
            blind_since_s=at(self.blind_since_s),
            at_start=None if start is None else replace(start, at_s=start.at_s + by_s),
            start_ups=self.start_ups.moved(by_s),
        )

    def after(self, earlier: Memory) -> Memory:
        """Give what is remembered once an `earlier` memory turns up, which was out of reach when this one began.

        What happened counts in both; a backlog is due when it was first to be; of two factors of slowness the one that was
        learnt from the shop counts.
        """
        deadlines = {entry.signal: entry for entry in self.crowd_deadlines}
        for entry in earlier.crowd_deadlines:
            known = deadlines.get(entry.signal)
            if known is not None and entry.at_s < known.at_s:
                deadlines[entry.signal] = entry
        onsales = {entry.onsale: entry for entry in (*earlier.onsales, *self.onsales)}
        untouched = self.slow_at_s is None
        return replace(
            self,
            recommendations=(*earlier.recommendations, *self.recommendations)[-MAX_LOG:],
            scale_up_events=(*earlier.scale_up_events, *self.scale_up_events)[-MAX_LOG:],
            scale_down_events=(*earlier.scale_down_events, *self.scale_down_events)[-MAX_LOG:],
            crowd_deadlines=tuple(deadlines.values()),
            onsales=tuple(onsales.values()),
            slow_factor=earlier.slow_factor if untouched else self.slow_factor,
            slow_at_s=earlier.slow_at_s if untouched else self.slow_at_s,
            slow_cut_at_s=earlier.slow_cut_at_s if untouched else self.slow_cut_at_s,
            slow_limit=earlier.slow_limit if untouched else self.slow_limit,
            start_ups=self.start_ups.after(earlier.start_ups),
        )
