"""Floors below which a rule does not go for a while: what the schedule asks for, and what a forecast expects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from rulebook.climb import climb_s
from rulebook.memory import Memory, SeenOnsale
from rulebook.observation import Crowd, Observation, OnsaleTimes
from rulebook.occurrences import latest_start, moments
from rulebook.prepared import Prepared
from rulebook.recommend import read, share_of
from rulebook.rule import RuleSpec
from rulebook.schedule import ScheduleEntry


@dataclass(frozen=True, slots=True)
class Floor:
    """At least so many replicas now, and why."""

    replicas: int
    detail: str


NO_FLOOR: Final = Floor(0, "no floor now")


def onsales_needed(spec: RuleSpec) -> tuple[str, ...]:
    """Name the onsales that a schedule names and no signal reads: whoever observes has to give their times."""
    read_anyway = {signal.onsale.name for signal in spec.signals if signal.onsale is not None}
    named = dict.fromkeys(entry.onsale for entry in spec.schedule if entry.onsale is not None)
    return tuple(name for name in named if name not in read_anyway)


def see_onsales(
    spec: RuleSpec, observation: Observation, memory: Memory, now_s: float
) -> tuple[SeenOnsale, ...]:
    """Bring the times of the onsales that a schedule names up to date; what cannot be read stays as it was seen."""
    names = dict.fromkeys(entry.onsale for entry in spec.schedule if entry.onsale is not None)
    seen = []
    for name in names:
        given = observation.onsales.get(name)
        times = given or memory.onsale(name)
        for signal in spec.signals:
            reading = (
                read(signal, observation, now_s) if signal.onsale and signal.onsale.name == name else None
            )
            if isinstance(reading, Crowd):
                times = _from_crowd(reading, times)
        if times is not None:
            seen.append(SeenOnsale(name, times))
    return tuple(seen)


def schedule_floor(
    prepared: Prepared,
    onsales: Mapping[str, OnsaleTimes],
    current: int,
    warm_up_s: float | None,
    now_s: float,
) -> Floor:
    """Give the highest floor of all entries whose window is open; the first of equals.

    For an onsale it opens earlier than the entry says where replicas were seen to need longer (`warm_up_s`), or where the way
    up from `current` takes its rounds.
    """
    best, unknown = NO_FLOOR, []
    for entry in prepared.spec.schedule:
        if entry.onsale is not None:
            times = onsales.get(entry.onsale)
            if times is None:
                unknown.append(f"nothing is known of onsale {entry.onsale}")
                continue
            early_s = (warm_up_s or 0.0) + climb_s(prepared, current, entry.min)
            why = _by_onsale(entry, times, early_s, now_s)
        else:
            why = _by_clock(entry, now_s)
        if why is not None and entry.min > best.replicas:
            best = Floor(entry.min, why)
    return replace(best, detail="; ".join([best.detail, *unknown])) if unknown else best


def forecast_floor(prepared: Prepared, observation: Observation, now_s: float) -> Floor:
    """Give the replicas for what a forecast expects. One that is old, or of another signal, asks for nothing."""
    forecast, expected = prepared.spec.forecast, observation.forecast
    if forecast is None or expected is None:
        return Floor(0, "no forecast yet")
    if expected.signal != forecast.signal or not math.isfinite(expected.value):
        return Floor(0, "no forecast of this signal")
    age_s = now_s - expected.made_at_s
    if age_s > max(forecast.horizon_s, 2 * prepared.spec.interval_s):
        return Floor(0, f"the forecast is {age_s:.0f} s old")
    reference = prepared.spec.signal(forecast.signal).reference
    replicas = share_of(max(expected.value, 0.0), reference, observation.current, prepared.tolerance)
    within = f"within {forecast.horizon_s:g} s by {expected.method}"
    return Floor(replicas, f"{expected.signal} may reach {expected.value:.4g} {within}: {replicas} replicas")


def _from_crowd(crowd: Crowd, before: OnsaleTimes | None) -> OnsaleTimes:
    opens_at_s, sessions = crowd.opens_at_s, crowd.sessions
    if before is not None:
        opens_at_s = before.opens_at_s if opens_at_s is None else opens_at_s
        sessions = before.sessions if sessions is None else sessions
    return OnsaleTimes(opens_at_s, crowd.backlog, sessions)


def _by_onsale(entry: ScheduleEntry, times: OnsaleTimes, early_s: float, now_s: float) -> str | None:
    opens_s = times.opens_at_s
    if opens_s is None or now_s < opens_s - max(entry.lead_s, early_s):
        return None
    if now_s < opens_s:
        return f"onsale {entry.onsale} opens in {opens_s - now_s:.0f} s: at least {entry.min}"
    if now_s < opens_s + entry.hold_s:
        return f"onsale {entry.onsale} opened {now_s - opens_s:.0f} s ago: at least {entry.min}"
    if times.busy:
        counts = f"{times.backlog or 0} wait, {times.sessions or 0} shop"
        return f"onsale {entry.onsale}: {counts}: at least {entry.min}"
    return None


def _by_clock(entry: ScheduleEntry, now_s: float) -> str | None:
    zone = entry.time_zone or "UTC"
    if entry.cron is not None:
        name = f"cron {entry.cron} {zone}"
        start_s = latest_start(entry.cron, zone, now_s + entry.lead_s, entry.lead_s + entry.hold_s)
    else:
        assert entry.at is not None  # noqa: S101  # an entry without onsale and cron has it
        name, start_s = f"at {entry.at.isoformat()}", moment_of(entry.at, zone)
    if start_s is None or not start_s - entry.lead_s <= now_s < start_s + entry.hold_s:
        return None
    if now_s < start_s:
        return f"{name} begins in {start_s - now_s:.0f} s: at least {entry.min}"
    return f"{name} for another {start_s + entry.hold_s - now_s:.0f} s: at least {entry.min}"


@lru_cache(maxsize=1024)
def moment_of(at: datetime, zone: str) -> float:
    """Give the moment of a date, which may have an offset of its own."""
    return at.timestamp() if at.tzinfo is not None else moments(at, ZoneInfo(zone))[0]
