"""When cron lines and dated entries take place, in seconds since 1970, whatever the clocks of their zone do.

A local time that the clocks skip takes place at the moment they skip it. One that comes twice takes place the first
time, except for cron lines whose minute or hour begins with `*`: they follow the wall clock through both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from rulebook.cron import Cron, parse_cron

_DAY: Final = timedelta(days=1)
_MARGIN: Final = timedelta(hours=4)  # more than any clock was ever moved within a day by daylight saving
_MINUTE_S: Final = 60
_SPANS_S: Final = (3600.0, 86400.0)


def moments(local: datetime, zone: tzinfo, *, twice: bool = False) -> tuple[float, ...]:
    """Give the moment of a local time without zone; of one that comes twice both, where `twice` is set.

    A skipped time gives the moment of the skip, or nothing where `twice` is set.
    """
    found = []
    for fold in (0, 1):
        moment = local.replace(tzinfo=zone, fold=fold)
        if _wall(moment.timestamp(), zone) == local:
            found.append(moment.timestamp())
    if not found:
        return () if twice else (_skip(local, zone),)
    distinct = sorted(set(found))
    return tuple(distinct if twice else distinct[:1])


def starts(cron: str, zone: str, after_s: float, until_s: float) -> Iterator[float]:
    """Give all times of a cron line with `after_s` < t <= `until_s`, in order."""
    line, zone_info = parse_cron(cron), ZoneInfo(zone)
    first, last = _wall(after_s, zone_info), _wall(until_s, zone_info)
    found: set[float] = set()
    for day in _days(first.date() - _DAY, last.date() + _DAY):
        if line.on(day):
            for local in _times(line, day, first - _MARGIN, last + _MARGIN):
                found.update(moments(local, zone_info, twice=line.every))
    yield from sorted(moment for moment in found if after_s < moment <= until_s)


def latest_start(cron: str, zone: str, until_s: float, within_s: float) -> float | None:
    """Give the latest time of a cron line up to `until_s`, no older than about `within_s`; None if there is none."""
    return _latest(cron, zone, until_s // _MINUTE_S, within_s)


@lru_cache(maxsize=4096)
def _latest(cron: str, zone: str, until_minute: float, within_s: float) -> float | None:
    # Times fall on whole minutes, so that one search serves all decisions of a minute.
    until_s = until_minute * _MINUTE_S
    for span_s in (*(span for span in _SPANS_S if span < within_s), within_s + _MINUTE_S):
        found = list(starts(cron, zone, until_s - span_s, until_s))
        if found:
            return found[-1]
    return None


def _times(line: Cron, day: date, first: datetime, last: datetime) -> Iterator[datetime]:
    for hour in line.hours:
        for minute in line.minutes:
            local = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  # a wall clock's time
            if first <= local <= last:
                yield local


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


def _wall(moment_s: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(moment_s, zone).replace(tzinfo=None, fold=0)


def _skip(local: datetime, zone: tzinfo) -> float:
    """Find the moment at which the clocks jump over a local time: the earliest that shows a later one."""
    naive_s = local.replace(tzinfo=UTC).timestamp()
    offsets = [local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    early_s, late_s = (int(naive_s - offset.total_seconds()) for offset in (max(offsets), min(offsets)))
    while late_s - early_s > 1:
        middle_s = (early_s + late_s) // 2
        if _wall(middle_s, zone) < local:
            early_s = middle_s
        else:
            late_s = middle_s
    return float(late_s)
