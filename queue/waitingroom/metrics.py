"""The room's Prometheus metrics, read from its rooms at the moment of a scrape: the hot paths count nothing here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from waitingroom.room import Room
from waitingroom.snapshot import Snapshot

_GAUGES: dict[str, tuple[str, Callable[[Snapshot], float]]] = {
    "waiting": ("Buyers in line.", lambda s: s.waiting),
    "late": ("Late buyers whose claim is registered.", lambda s: s.late),
    "sessions": ("Live sessions in the shop.", lambda s: s.sessions),
    "outstanding": ("Released places whose claim window is open.", lambda s: s.outstanding),
    "tokens": ("Whole buyers that could be released at once.", lambda s: s.tokens),
    "rate_per_second": ("Admission rate in force, buyers per second.", lambda s: s.rate_per_s),
}
_COUNTERS: dict[str, tuple[str, Callable[[Snapshot], float]]] = {
    "joins": ("Places issued.", lambda s: s.tail),
    "released": ("Places whose turn has come.", lambda s: s.released),
    "claimed": ("Places exchanged for a pass.", lambda s: s.claimed),
    "no_shows": ("Released places that nobody claimed in time.", lambda s: s.no_shows),
}


class RoomCollector(Collector):
    """Exposes the counters of every room."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._rooms = rooms

    def collect(self) -> Iterator[Metric]:
        """Yield all families with one sample an onsale."""
        known: list[tuple[str, Snapshot]] = [
            (name, room.snapshot) for name, room in self._rooms.items() if room.snapshot is not None
        ]
        for name, (text, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"tidegate_queue_{name}", text, labels=["onsale"])
            for onsale, snapshot in known:
                gauge.add_metric([onsale], read(snapshot))
            yield gauge
        for name, (text, read) in _COUNTERS.items():
            counter = CounterMetricFamily(f"tidegate_queue_{name}", text, labels=["onsale"])
            for onsale, snapshot in known:
                counter.add_metric([onsale], read(snapshot))
            yield counter
        refused = CounterMetricFamily(
            "tidegate_queue_entry_refused",
            "Entry tokens that did not count, in this process.",
            labels=["onsale", "reason"],
        )
        for onsale, room in self._rooms.items():
            for reason, count in room.entries_refused.items():
                refused.add_metric([onsale, reason], count)
        yield refused
        stale = GaugeMetricFamily(
            "tidegate_queue_stale", "1 while the store does not answer.", labels=["onsale"]
        )
        for onsale, room in self._rooms.items():
            stale.add_metric([onsale], float(room.stale))
        yield stale


def room_registry(rooms: Mapping[str, Room]) -> CollectorRegistry:
    """Return a registry with the rooms' metrics."""
    registry = CollectorRegistry()
    registry.register(RoomCollector(rooms))
    return registry
