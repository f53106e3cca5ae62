"""Reads from Prometheus what a rule would have read, for a backtest: its signals and the replicas there were.

Signals with `prometheus` have their own query. For the others there is the query which comes to the same where Prometheus scrapes
the same pages, and the room's own metrics for the crowd before an onsale; each can be told instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.prometheus.past import Past, PastUnreadable
from rulebook.floors import onsales_needed
from rulebook.observation import Crowd, Missing, OnsaleTimes, Reading, Value
from rulebook.rule import ScalingRule, TargetReference
from rulebook.signals import ExpositionQuery, OnsaleSignal, SignalSpec
from rulebook.simulation import Recorded
from rulebook.units import format_duration

NOT_RECORDED = Missing("nothing was recorded", answered=True)
ARRIVALS_OVER = "1m"

_KUBE_STATE = {"Deployment": "deployment", "StatefulSet": "statefulset", "ReplicaSet": "replicaset"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many moments, `step_s` apart, from `start_s` on (unix seconds)."""

    start_s: int
    moments: int
    step_s: int

    def at_s(self, moment: int) -> float:
        """The time of one."""
        return float(self.start_s + moment * self.step_s)


def recall(
    past: Past,
    rule: ScalingRule,
    stretch: Stretch,
    *,
    told: Mapping[str, str],
    replicas_query: str | None,
) -> Recorded:
    """Read everything; `told` are queries for signals by name, and no `replicas_query` means the usual one.

    Raises:
        PastUnreadable: the server cannot be asked, or remembers nothing of a signal or of replicas that were asked for.
    """
    readings = {
        signal.name: _readings(past, signal, stretch, told.get(signal.name)) for signal in rule.spec.signals
    }
    query = replicas_query or usual_replicas_query(rule)
    counts = past.values(query, stretch.start_s, stretch.moments, stretch.step_s)
    if counts is None and replicas_query is not None:
        raise PastUnreadable(f"--replicas-query {query!r}: nothing was recorded between --from and --to")
    replicas = tuple(None if count is None else round(count) for count in counts or [None] * stretch.moments)
    onsales = {name: _onsale_times(past, name, stretch) for name in onsales_needed(rule.spec)}
    return Recorded(float(stretch.start_s), float(stretch.step_s), readings, replicas, onsales)


def usual_replicas_query(rule: ScalingRule) -> str:
    """Ask kube-state-metrics for the target's replicas, or our own metrics where it knows no such kind."""
    target = rule.spec.target
    label = _KUBE_STATE.get(target.kind)
    if label is None:
        return f'max(tidegate_scaler_current_replicas{{rule="{rule.name}"}})'
    return f"max(kube_{label}_status_replicas{_selector(target, label)})"


def query_of(signal: SignalSpec) -> str:
    """Give the query by which the past of a signal with `prometheus` or `exposition` is read."""
    if signal.prometheus is not None:
        return signal.prometheus.query
    page = signal.exposition
    assert page is not None  # noqa: S101  # crowds are dealt with apart, and a signal has one source
    return _of_page(page)


def _readings(past: Past, signal: SignalSpec, stretch: Stretch, told: str | None) -> tuple[Reading, ...]:
    if signal.onsale is not None:
        return _crowds(past, signal.name, signal.onsale, stretch)
    query = told or query_of(signal)
    values = _values(past, signal.name, query, stretch)
    return tuple(
        NOT_RECORDED if value is None else Value(value, stretch.at_s(moment))
        for moment, value in enumerate(values)
    )


def _crowds(past: Past, name: str, onsale: OnsaleSignal, stretch: Stretch) -> tuple[Reading, ...]:
    arrivals = f"max(rate(tidegate_queue_joins_total{_named(onsale.name)}[{ARRIVALS_OVER}]))"
    waiting = _values(past, name, _backlog_query(onsale.name), stretch)
    joining = _values(past, name, arrivals, stretch)
    opening = _opening(past, onsale.name, stretch)
    inside = _counts(past, f"max(tidegate_queue_sessions{_named(onsale.name)})", stretch)
    return tuple(
        NOT_RECORDED
        if wait is None
        else Crowd(stretch.at_s(moment), join or 0.0, round(wait), opens_at_s, sessions)
        for moment, (wait, join, opens_at_s, sessions) in enumerate(
            zip(waiting, joining, opening, inside, strict=True)
        )
    )


def _onsale_times(past: Past, onsale: str, stretch: Stretch) -> tuple[OnsaleTimes | None, ...]:
    """Read what a schedule needs of an onsale that no signal reads; None where nothing was recorded of it."""
    opening = _opening(past, onsale, stretch)
    waiting = _counts(past, _backlog_query(onsale), stretch)
    inside = _counts(past, f"max(tidegate_queue_sessions{_named(onsale)})", stretch)
    return tuple(
        None if times == (None, None, None) else OnsaleTimes(*times)
        for times in zip(opening, waiting, inside, strict=True)
    )


def _named(onsale: str) -> str:
    return f'{{onsale="{onsale}"}}'


def _backlog_query(onsale: str) -> str:
    # Every process of the room shows the same counters, so the highest is the newest.
    return f"max(tidegate_queue_waiting{_named(onsale)}) + max(tidegate_queue_late{_named(onsale)})"


def _opening(past: Past, onsale: str, stretch: Stretch) -> list[float | None]:
    """Read when the doors were to open, as it was known at each moment: a standing room has no opening."""
    query = f"max(tidegate_queue_opens_timestamp_seconds{_named(onsale)})"
    return past.values(query, stretch.start_s, stretch.moments, stretch.step_s) or [None] * stretch.moments


def _counts(past: Past, query: str, stretch: Stretch) -> list[int | None]:
    values = past.values(query, stretch.start_s, stretch.moments, stretch.step_s)
    return [None if value is None else round(value) for value in values or [None] * stretch.moments]


def _values(past: Past, name: str, query: str, stretch: Stretch) -> list[float | None]:
    try:
        values = past.values(query, stretch.start_s, stretch.moments, stretch.step_s)
    except PastUnreadable as error:
        raise PastUnreadable(f"signal {name}: {error}") from error
    if values is None or all(value is None for value in values):
        raise PastUnreadable(
            f"signal {name}: nothing was recorded between --from and --to of {query!r}; "
            f"see for how long Prometheus keeps data, or give another query by --query {name}=PROMQL"
        )
    return values


def _of_page(page: ExpositionQuery) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in page.labels.items())
    named = f"{{{labels}}}" if labels else ""
    over = format_duration(page.over_s)
    if page.gauge is not None:
        return f"{page.aggregate}({page.gauge}{named})"
    if page.counter is not None:
        return f"sum(rate({page.counter}{named}[{over}]))"
    return f"histogram_quantile({page.quantile}, sum by (le) (rate({page.histogram}_bucket{named}[{over}])))"


def _selector(target: TargetReference, label: str) -> str:
    namespace = f'namespace="{target.namespace}",' if target.namespace is not None else ""
    return f'{{{namespace}{label}="{target.name}"}}'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
