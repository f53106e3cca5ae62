"""The room's Prometheus metrics, read from its rooms at the moment of a scrape: hot paths increment an integer at the most.

What stands in the store is the same in every process (`shared` families, from the copy of the counters); the rest is what this
process has done. `sharing` makes the figures of several workers one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rulebook.families import Family, Kind, Merge
from waitingroom.counts import CALL_BUCKETS_S, FAILURES, REQUESTS, StoreCalls
from waitingroom.errors import ENTRY_REASONS
from waitingroom.room import Room
from waitingroom.snapshot import Snapshot

PREFIX = "tidegate_queue_"
RATE_REASONS = ("document", "operator", "target", "fallback", "hold")
"""What sets the admission rate: the document's ceiling, an operator, a scaler's target, the fallback rate, or a hold."""


@dataclass(frozen=True, slots=True)
class _OfRoom:
    """A family with one sample a room, of those which have a value."""

    family: Family
    read: Callable[[Room, Snapshot], float | None]


def _of_room(
    name: str,
    kind: Kind,
    unit: str,
    text: str,
    read: Callable[[Room, Snapshot], float | None],
    *,
    merge: Merge = "newest",
) -> _OfRoom:
    shared = merge == "newest"
    return _OfRoom(Family(PREFIX + name, kind, text, unit, ("onsale",), shared, merge), read)


def _draw_published(room: Room, snapshot: Snapshot) -> float | None:
    return float(bool(snapshot.draw_record)) if room.drawn else None


def _newcomers_wait(end: int) -> Callable[[Room, Snapshot], float | None]:
    def read(room: Room, copy: Snapshot) -> float | None:
        wait_s = room.newcomers_wait_s
        return None if wait_s is None else wait_s[end]

    return read


COPY_AT = PREFIX + "copy_timestamp_seconds"
"""The family by which the newest of several copies is found."""
_OF_ROOMS = (
    _of_room("joins", "counter", "places", "Places issued.", lambda room, copy: copy.tail),
    _of_room(
        "released", "counter", "places", "Places whose turn has come.", lambda room, copy: copy.released
    ),
    _of_room("claimed", "counter", "places", "Places exchanged for a pass.", lambda room, copy: copy.claimed),
    _of_room(
        "no_shows",
        "counter",
        "places",
        "Released places that nobody claimed in time.",
        lambda room, copy: copy.no_shows,
    ),
    _of_room(
        "waiting",
        "gauge",
        "buyers",
        "Buyers in line; once the onsale has closed, those whose turn never came.",
        lambda room, copy: copy.waiting,
    ),
    _of_room(
        "late", "gauge", "buyers", "Late buyers whose claim is registered.", lambda room, copy: copy.late
    ),
    _of_room("sessions", "gauge", "sessions", "Live sessions in the shop.", lambda room, copy: copy.sessions),
    _of_room(
        "outstanding",
        "gauge",
        "places",
        "Released places whose claim window is open.",
        lambda room, copy: copy.outstanding,
    ),
    _of_room(
        "capacity",
        "gauge",
        "sessions",
        "What sessions and outstanding places together may come to; none where there is no bound.",
        lambda room, copy: copy.capacity,
    ),
    _of_room(
        "tokens",
        "gauge",
        "places",
        "What the bucket holds: so many places can be released at once.",
        lambda room, copy: copy.tokens,
    ),
    _of_room(
        "rate_per_second",
        "gauge",
        "buyers/s",
        "Admission rate in force.",
        lambda room, copy: copy.rate_per_s,
    ),
    _of_room(
        "rate_ceiling_per_second",
        "gauge",
        "buyers/s",
        "Admission rate of the onsale's document, which nothing exceeds.",
        lambda room, copy: room.onsale.spec.admission.rate_per_s,
    ),
    _of_room(
        "draw_published",
        "gauge",
        "0 or 1",
        "1 once the draw's record is public; only for onsales which draw.",
        _draw_published,
    ),
    _of_room(
        "opens_timestamp_seconds",
        "gauge",
        "unix time, s",
        "When the doors open; none where there is no opening.",
        lambda room, copy: copy.opens_at_s,
    ),
    _of_room(
        "closes_timestamp_seconds",
        "gauge",
        "unix time, s",
        "When the onsale closes; none where it does not.",
        lambda room, copy: copy.closes_at_s,
    ),
    _of_room(
        "poll_interval_seconds",
        "gauge",
        "s",
        "How long the last in line is told to wait before asking again.",
        lambda room, copy: room.asking.interval_s(copy.waiting),
    ),
    _of_room(
        "wait_low_seconds",
        "gauge",
        "s",
        "Shortest wait of the range that whoever joins now is told; none while no wait can be named.",
        _newcomers_wait(0),
    ),
    _of_room(
        "wait_high_seconds",
        "gauge",
        "s",
        "Longest wait of the range that whoever joins now is told; none while no wait can be named.",
        _newcomers_wait(1),
    ),
    _of_room(
        "copy_timestamp_seconds",
        "gauge",
        "unix time, s",
        "The store's time for which all these hold; it stands still while the store does not answer.",
        lambda room, copy: copy.at_s,
    ),
)
_REASON = Family(
    PREFIX + "rate_reason",
    "gauge",
    f"1 for what sets the admission rate: {', '.join(RATE_REASONS)}.",
    "0 or 1",
    ("onsale", "reason"),
    shared=True,
    merge="newest",
)
_REFUSED = Family(
    PREFIX + "entry_refused", "counter", "Entry tokens that did not count.", "tokens", ("onsale", "reason")
)
_REQUESTS = Family(
    PREFIX + "requests",
    "counter",
    f"Questions of buyers: {', '.join(REQUESTS)}.",
    "requests",
    ("onsale", "kind"),
)
_LISTENERS = Family(
    PREFIX + "listeners", "gauge", "Open streams of Server-Sent Events.", "connections", ("onsale",)
)
_STALE = Family(
    PREFIX + "stale", "gauge", "1 while the store does not answer.", "0 or 1", ("onsale",), merge="max"
)
_CALLS = Family(
    PREFIX + "store_call_seconds",
    "histogram",
    "Time of a call to the store, answered or not, by the script that it runs.",
    "s",
    ("script",),
)
_FAILED = Family(
    PREFIX + "store_failures",
    "counter",
    f"Calls to the store that failed: {' or '.join(FAILURES)}.",
    "calls",
    ("script", "failure"),
)
FAMILIES: tuple[Family, ...] = (
    *(each.family for each in _OF_ROOMS),
    _REASON,
    _REFUSED,
    _REQUESTS,
    _LISTENERS,
    _STALE,
    _CALLS,
    _FAILED,
)


class RoomCollector(Collector):
    """Exposes the counters of every room, and the calls to their store."""

    def __init__(self, rooms: Mapping[str, Room], calls: StoreCalls) -> None:
        self._rooms = rooms
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        """Yield all families; a room without a copy yet has only what this process did."""
        known = [
            (name, room, room.snapshot) for name, room in self._rooms.items() if room.snapshot is not None
        ]
        for each in _OF_ROOMS:
            metric = _made(each.family)
            for name, room, snapshot in known:
                value = each.read(room, snapshot)
                if value is not None:
                    metric.add_metric([name], value)
            yield metric
        reasons = _made(_REASON)
        for name, _, snapshot in known:
            reasons.add_metric([name, rate_reason(snapshot)], 1.0)
        yield reasons
        refused, requests, listeners, stale = map(_made, (_REFUSED, _REQUESTS, _LISTENERS, _STALE))
        for name, room in self._rooms.items():
            if room.onsale.spec.entry == "token" or room.entries_refused:
                for reason in ENTRY_REASONS:
                    refused.add_metric([name, reason], room.entries_refused[reason])
            for kind in REQUESTS:
                requests.add_metric([name, kind], getattr(room.requests, kind))
            listeners.add_metric([name], room.listeners)
            stale.add_metric([name], float(room.stale))
        yield from (refused, requests, listeners, stale)
        yield from self._store_calls()

    def _store_calls(self) -> Iterator[Metric]:
        calls, failed = HistogramMetricFamily(_CALLS.name, _CALLS.text, labels=_CALLS.labels), _made(_FAILED)
        for script, counts in self._calls.buckets.items():
            so_far, buckets = 0, []
            for bound, count in zip([*map(str, CALL_BUCKETS_S), "+Inf"], counts, strict=True):
                so_far += count
                buckets.append((bound, float(so_far)))
            calls.add_metric([script], buckets, self._calls.seconds[script])
            for failure in FAILURES:
                failed.add_metric([script, failure], self._calls.failed[script, failure])
        yield calls
        yield failed


def rate_reason(snapshot: Snapshot) -> str:
    """Name the kind of what sets the rate; the store's own words name rules and numbers, which are no label."""
    reason = snapshot.rate_reason
    if reason in ("hold", "operator"):
        return reason
    if reason.endswith("fallback"):
        return "fallback"
    return "document" if reason == "ceiling" else "target"


def room_registry(rooms: Mapping[str, Room], calls: StoreCalls) -> CollectorRegistry:
    """Return a registry with the rooms' metrics."""
    registry = CollectorRegistry()
    registry.register(RoomCollector(rooms, calls))
    return registry


def _made(family: Family) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    return kind(family.name, family.text, labels=family.labels)
