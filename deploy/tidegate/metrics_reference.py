"""The page of all metrics, docs/metrics.md, from what the code declares."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from autoscaler.instrumentation.prometheus import PrometheusInstrument
from rulebook.families import Family, Kind
from waitingroom.gate.counts import Counts, Exchanges
from waitingroom.gate.metrics import GateCollector, GateFigures
from waitingroom.metrics import FAMILIES

_HEAD = """\
# Metrics

Made by `make docs` from what the code declares; a test holds that it is up to date. The queue serves \
them on `/metrics` of the room's address, the scaler on `/metrics` of its own.

All names begin with `tidegate_`. Units are base units: seconds, buyers, replicas. Label values are bounded by \
your documents (`onsale`, `rule`, `signal`, `pool`) and by what the code knows (all others); no buyer, session \
or address is ever a label. What has no value now has no series.
"""
_QUEUE = """
## The queue

**Shared** families tell what stands in the store: every process and every pod shows the same, so take `max by \
(onsale)`, never `sum`. The others tell what one pod did or sees: `sum` them. `deploy/prometheus/recording.yaml` \
has the right form of each under a name of its own.

Several `--workers` of one pod show their figures as one, whichever of them a scrape meets: sums of what each \
did, and what stands in the store from the newest copy. A worker that died is counted on with; what it did in \
its last second may be missing.
"""
_GATE = """
### The gate

Of the gates in the queue's own processes, and with `gate="middleware"` of the shops which check passes by \
themselves (they register `waitingroom.middleware.metrics.middleware_collector` with a registry of their own).
"""
_SCALER = """
## The scaler

Of several scalers only the leader has the families of rules. A rule which is taken away takes its series along.
"""
_GATE_UNITS = {
    "checks": "requests",
    "refusals": "requests",
    "renewals": "passes",
    "feed_connected": "0 or 1",
    "feed_listeners": "processes",
    "handovers": "codes",
    "upstream_errors": "requests",
    "upstream_latency_seconds": "s",
    "websockets": "connections",
}
_KINDS: dict[str, Kind] = {"counter": "counter", "gauge": "gauge", "histogram": "histogram"}


def gate_families() -> list[Family]:
    """Return what the gate exposes, as it does when all parts of it are there.

    Raises:
        KeyError: a family has no unit here.
    """
    figures = GateFigures({"auth": Counts()}, lambda: 0, lambda: True, Exchanges(), {}, lambda: 0)
    return [_family(metric) for metric in GateCollector(figures).collect()]


def reference() -> str:
    """Return the whole page."""
    parts = (
        _HEAD,
        _QUEUE,
        _table(FAMILIES, shared=True),
        _GATE,
        _table(gate_families()),
        _SCALER,
        _table(PrometheusInstrument().families),
    )
    return "".join(parts)


def _family(metric: Metric) -> Family:
    labels = tuple(name for name in metric.samples[0].labels if name != "le")
    short = metric.name.removeprefix("tidegate_queue_gate_")
    values = "; ".join(
        f"{name}: {', '.join(dict.fromkeys(sample.labels[name] for sample in metric.samples))}"
        for name in labels
        if name != "gate"
    )
    text = f"{metric.documentation[:-1]} ({values})." if values else metric.documentation
    return Family(metric.name, _KINDS[metric.type], text, _GATE_UNITS[short], labels)


def _table(families: Iterable[Family], *, shared: bool = False) -> str:
    lines = ["", "| metric | type | labels | unit | meaning |", "| --- | --- | --- | --- | --- |"]
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        mark = " **Shared.**" if shared and family.shared else ""
        lines.append(
            f"| `{family.exposed}` | {family.kind} | {labels} | {family.unit} | {family.text}{mark} |"
        )
    return "\n".join(lines) + "\n"
