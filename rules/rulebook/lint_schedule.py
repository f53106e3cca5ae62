"""What the linter says of schedules and forecasts: floors that never hold, never matter, or drop for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rulebook.finding import Remark
from rulebook.floors import moment_of
from rulebook.occurrences import latest_start, starts
from rulebook.rule import RuleSpec
from rulebook.schedule import ScheduleEntry
from rulebook.units import format_duration

SHORT_GAP_S: Final = 1800.0
"""A floor that drops for less than this only to be raised again was probably meant to hold."""

_AHEAD_S: Final = 14 * 86400.0
_YEARS_S: Final = 5 * 366 * 86400.0
_MOST_WINDOWS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Window:
    begin_s: float
    end_s: float
    entry: int


def lint_schedule(spec: RuleSpec, now_s: float, start_up_s: float) -> Iterator[Remark]:
    """Look at a rule's schedule and forecast."""
    windows: list[_Window] = []
    for index, entry in enumerate(spec.schedule):
        here = ("spec", "schedule", index)
        if entry.min > spec.replicas.max:
            yield Remark("floor-above-max", (*here, "min"), f"is above replicas.max {spec.replicas.max}")
        if entry.min <= spec.replicas.min:
            message = f"has no effect: replicas.min is {spec.replicas.min} already"
            yield Remark("floor-without-effect", (*here, "min"), message)
        if entry.onsale is not None:
            if entry.lead_s < start_up_s:
                message = (
                    f"is less than a replica's start-up of {format_duration(start_up_s)}: "
                    "not all is ready when the doors open"
                )
                yield Remark("lead-below-start-up", (*here, "lead" if entry.lead_s else "onsale"), message)
            continue
        if entry.lead_s + entry.hold_s < spec.interval_s:
            message = f"holds for less than the interval of {format_duration(spec.interval_s)}"
            yield Remark("schedule-shorter-than-interval", (*here, "for"), message)
        if entry.cron is not None and entry.time_zone is None:
            message = "is in UTC: a timeZone such as Europe/Brussels follows the clocks there, and summer time; or write UTC"
            yield Remark("cron-without-zone", (*here, "cron"), message)
        if entry.cron is not None and _never(entry, now_s):
            yield Remark("schedule-never", (*here, "cron"), "never takes place")
        if entry.at is not None and _moment(entry) + entry.hold_s <= now_s:
            yield Remark("schedule-past", (*here, "at"), "is over")
        windows += _windows(index, entry, now_s)
    yield from _gaps(sorted(windows, key=lambda window: window.begin_s))
    if spec.forecast is not None and spec.forecast.horizon_s < spec.interval_s:
        message = f"is less than the interval of {format_duration(spec.interval_s)}"
        yield Remark("horizon-below-interval", ("spec", "forecast", "horizon"), message)
    if spec.forecast is not None and spec.signal(spec.forecast.signal).prometheus is None:
        message = (
            f"{spec.forecast.signal} is not read from Prometheus, so its past is known to one process only: after a restart or a "
            f"change of leader nothing is forecast before a season of {format_duration(spec.forecast.season_s)} was seen again"
        )
        yield Remark("forecast-without-prometheus", ("spec", "forecast", "signal"), message)


def _gaps(windows: list[_Window]) -> Iterator[Remark]:
    told: set[tuple[int, int]] = set()
    open_until: _Window | None = None
    for window in windows:
        if open_until is not None and 0 < window.begin_s - open_until.end_s <= SHORT_GAP_S:
            pair = (open_until.entry, window.entry)
            if pair not in told:
                told.add(pair)
                gap_s = window.begin_s - open_until.end_s
                other = "the next time" if pair[0] == pair[1] else f"schedule[{pair[1]}]"
                message = f"ends {format_duration(gap_s)} before {other} begins: the floor drops in between"
                yield Remark("schedule-gap", ("spec", "schedule", pair[0]), message)
        if open_until is None or window.end_s > open_until.end_s:
            open_until = window


def _windows(index: int, entry: ScheduleEntry, now_s: float) -> list[_Window]:
    """Give the windows of the coming two weeks, the first ones where there are very many."""
    if entry.at is not None:
        moments = [_moment(entry)]
    else:
        assert entry.cron is not None  # noqa: S101  # entries with an onsale are left out before
        zone = entry.time_zone or "UTC"
        open_now = latest_start(entry.cron, zone, now_s, entry.hold_s)
        moments = [] if open_now is None else [open_now]
        for day in range(int(_AHEAD_S / 86400)):
            begin_s = now_s + day * 86400.0
            moments += starts(entry.cron, zone, begin_s, begin_s + 86400.0)
            if len(moments) > _MOST_WINDOWS:
                break
    return [_Window(moment - entry.lead_s, moment + entry.hold_s, index) for moment in moments]


def _never(entry: ScheduleEntry, now_s: float) -> bool:
    assert entry.cron is not None  # noqa: S101  # asked only of such entries
    zone, year_s = entry.time_zone or "UTC", 366 * 86400.0
    return not any(
        next(starts(entry.cron, zone, now_s + after, now_s + after + span), None) is not None
        for after, span in ((0.0, 86400.0), (0.0, 40 * 86400.0), (0.0, year_s), (year_s, _YEARS_S))
    )


def _moment(entry: ScheduleEntry) -> float:
    assert entry.at is not None  # noqa: S101  # asked only of such entries
    return moment_of(entry.at, entry.time_zone or "UTC")
