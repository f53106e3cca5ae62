"""The gate's Prometheus metrics, `tidegate_queue_gate_*`, read from plain integers at the moment of a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from waitingroom.gate.counts import BUCKETS_S, REASONS, Counts, Exchanges

_PREFIX = "tidegate_queue_gate_"
_OUTCOMES = ("allowed", "free", "queued")
_ERRORS = ("unreachable", "failed", "timed_out", "broke_off", "declined")
_HANDOVERS = ("taken", "unknown", "ended", "devices", "limited", "unavailable")


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Where the figures of one process stand.

    Attributes:
        counts: checks by the kind of gate.
        renewals: passes renewed so far.
        feed_connected: whether the process hears of sessions that end elsewhere.
        exchanges: requests to the shop; None where there is no reverse proxy.
        handovers: codes by what became of them; None where none are taken here.
        listeners: who follows the feed here; None where it is not served.
    """

    counts: Mapping[str, Counts]
    renewals: Callable[[], int]
    feed_connected: Callable[[], bool]
    exchanges: Exchanges | None = None
    handovers: Mapping[str, int] | None = None
    listeners: Callable[[], int] | None = None


class GateCollector(Collector):
    """Exposes the figures of one process's gates."""

    def __init__(self, figures: GateFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield all families; every label's values are few and known."""
        figures = self._figures
        checks = CounterMetricFamily(
            _PREFIX + "checks", "Requests judged, by outcome.", labels=["gate", "outcome"]
        )
        refusals = CounterMetricFamily(
            _PREFIX + "refusals", "Requests refused, by reason.", labels=["gate", "reason"]
        )
        for gate, counts in figures.counts.items():
            for outcome in _OUTCOMES:
                checks.add_metric([gate, outcome], getattr(counts, outcome))
            checks.add_metric([gate, "refused"], sum(counts.refused.values()))
            for reason in REASONS:
                refusals.add_metric([gate, reason], counts.refused[reason])
        yield checks
        yield refusals
        yield CounterMetricFamily(_PREFIX + "renewals", "Passes renewed.", value=figures.renewals())
        yield GaugeMetricFamily(
            _PREFIX + "feed_connected",
            "1 while sessions that end elsewhere are heard of; 0: passes hold until they expire.",
            value=float(figures.feed_connected()),
        )
        if figures.listeners is not None:
            yield GaugeMetricFamily(
                _PREFIX + "feed_listeners",
                "Processes that follow the feed here.",
                value=figures.listeners(),
            )
        if figures.handovers is not None:
            handovers = CounterMetricFamily(
                _PREFIX + "handovers", "Codes of buyers from another domain, by outcome.", labels=["outcome"]
            )
            for outcome in _HANDOVERS:
                handovers.add_metric([outcome], figures.handovers.get(outcome, 0))
            yield handovers
        if figures.exchanges is not None:
            yield from _exchanges(figures.exchanges)


def _exchanges(exchanges: Exchanges) -> Iterator[Metric]:
    errors = CounterMetricFamily(
        _PREFIX + "upstream_errors", "Requests which the shop did not answer well.", labels=["kind"]
    )
    for kind in _ERRORS:
        errors.add_metric([kind], exchanges.errors[kind])
    yield errors
    counted, buckets = 0, []
    for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], exchanges.buckets, strict=True):
        counted += count
        buckets.append((bound, float(counted)))
    latency = HistogramMetricFamily(
        _PREFIX + "upstream_latency_seconds", "Time until the head of the shop's answer."
    )
    latency.add_metric([], buckets, exchanges.seconds)
    yield latency
    yield GaugeMetricFamily(_PREFIX + "websockets", "WebSockets open now.", value=exchanges.websockets)
