"""Events as Prometheus metrics, `tidegate_scaler_...`.

What has no value now has no series: a gauge that stays at its last number while its signal is missing would be a lie.
"""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.instrumentation.events import (
    AdmissionWritten,
    ConditionChanged,
    Event,
    LeadershipChanged,
    LeaseFailed,
    ManualScale,
    QueryAnswered,
    ReplicaExited,
    ReplicaStarted,
    RoundEnded,
    RuleDecided,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    ScaleConflict,
    StepFailed,
    WatchInterrupted,
)
from rulebook.observation import Crowd, Missing

_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PrometheusInstrument:
    """Keeps the metrics of one scaler in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_rules: list[Gauge | Counter | Histogram] = []
        self._last_bound_by: dict[str, str] = {}
        self._last_reason: dict[tuple[str, str], str] = {}

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            made = Gauge(f"tidegate_scaler_{name}", text, ("rule", *labels), registry=self.registry)
            self._of_rules.append(made)
            return made

        def counter(name: str, text: str, *labels: str) -> Counter:
            made = Counter(f"tidegate_scaler_{name}", text, labels, registry=self.registry)
            if "rule" in labels:
                self._of_rules.append(made)
            return made

        self._value = gauge("signal_value", "Value that a signal was compared by, in its own unit.", "signal")
        self._backlog = gauge(
            "crowd_backlog", "Buyers waiting, those whose claim is late included.", "signal"
        )
        self._arrivals = gauge("crowd_arrivals_per_second", "Buyers who join, a second.", "signal")
        self._missing = counter("signal_missing", "Rounds without a value of this signal.", "rule", "signal")
        self._recommended = gauge("recommended_replicas", "Replicas that one signal asks for.", "signal")
        self._desired = gauge("desired_replicas", "Replicas decided on.")
        self._current = gauge("current_replicas", "Replicas wanted of the target before the decision.")
        self._ready = gauge("ready_replicas", "Replicas that are ready.")
        self._bound_by = gauge("bound_by", "1 for the step that bound the last decision.", "step")
        self._scaled = counter("scale_writes", "Changes of replica counts.", "rule", "direction")
        self._manual = counter("manual_scales", "Changes of replica counts by others.", "rule", "direction")
        self._conflicts = counter("scale_conflicts", "Writes refused as the target had changed.", "rule")
        self._condition = gauge(
            "condition", "1 while a condition of the rule holds, 0 while not.", "condition", "reason"
        )
        self._interrupted = counter("watch_interruptions", "Watches that ended before their time.", "what")
        self._rate = gauge(
            "admission_rate_per_second", "Buyers a second that the target in force admits.", "onsale"
        )
        self._capacity = gauge(
            "admission_capacity", "Live sessions that the target in force admits.", "onsale"
        )
        self._refused = counter(
            "admission_refused", "Admission targets refused for a newer term.", "rule", "onsale"
        )
        self._success = gauge("last_success_timestamp_seconds", "When a round last ended without a failure.")
        self._failed = counter("failures", "Steps that failed.", "rule", "step")
        self._started = counter("pool_starts", "Processes started.", "pool")
        self._crashed = counter("pool_crashes", "Processes that ended by themselves.", "pool")
        self._queries = counter(
            "prometheus_queries", "Queries to Prometheus, by whether they gave a number.", "outcome"
        )
        self._query_duration = Histogram(
            "tidegate_scaler_prometheus_query_duration_seconds",
            "Time a query to Prometheus takes, further attempts included.",
            buckets=_DURATIONS_S,
            registry=self.registry,
        )
        self._duration = Histogram(
            "tidegate_scaler_loop_duration_seconds",
            "Time a round takes.",
            ("rule",),
            buckets=_DURATIONS_S,
            registry=self.registry,
        )
        self._of_rules.append(self._duration)
        self._outdated = gauge(
            "rule_outdated", "1 for a rule whose document went bad, its last good form being in force."
        )
        self._refused_documents = Gauge(
            "tidegate_scaler_documents_refused",
            "Mistakes in the documents which keep something of them from being in force.",
            registry=self.registry,
        )
        self._loaded = Gauge(
            "tidegate_scaler_documents_loaded_timestamp_seconds",
            "When the documents were last read.",
            registry=self.registry,
        )

        self._leading = Gauge(
            "tidegate_scaler_leading", "1 while this process leads and may act.", registry=self.registry
        )
        self._term = Gauge(
            "tidegate_scaler_leader_term",
            "Changes of leader, as the lease counts them.",
            registry=self.registry,
        )
        self._lease_failed = Counter(
            "tidegate_scaler_lease_failures",
            "Tries to read or write the lease that failed.",
            registry=self.registry,
        )

    def record(self, event: Event) -> None:
        """Update the metrics which an event concerns."""
        match event:
            case RuleDecided():
                self._record_decision(event)
            case RuleScaled():
                self._scaled.labels(event.rule, "up" if event.after > event.before else "down").inc()
                self._desired.labels(event.rule).set(event.after)
            case ManualScale():
                self._manual.labels(event.rule, "up" if event.after > event.before else "down").inc()
            case ScaleConflict():
                self._conflicts.labels(event.rule).inc()
            case ConditionChanged():
                self._record_condition(event)
            case WatchInterrupted():
                self._interrupted.labels(event.what).inc()
            case AdmissionWritten():
                self._record_admission(event)
            case StepFailed():
                self._failed.labels(event.rule, event.step).inc()
            case RoundEnded():
                self._duration.labels(event.rule).observe(event.took_s)
                if event.ok:
                    self._success.labels(event.rule).set(event.at_s)
            case QueryAnswered():
                self._queries.labels("number" if event.ok else "none").inc()
                self._query_duration.observe(event.took_s)
            case RulesLoaded():
                self._record_documents(event)
            case RuleRemoved(rule=rule):
                self._last_bound_by.pop(rule, None)
                self._last_reason = {key: value for key, value in self._last_reason.items() if key[0] != rule}
                for metric in self._of_rules:
                    metric.remove_by_labels({"rule": rule})
            case LeadershipChanged():
                self._record_leadership(event)
            case LeaseFailed():
                self._lease_failed.inc()
            case ReplicaStarted():
                self._started.labels(event.pool).inc()
            case ReplicaExited(restart_in_s=float()):
                self._crashed.labels(event.pool).inc()
            case _:
                pass

    def _record_leadership(self, event: LeadershipChanged) -> None:
        self._leading.set(event.leading)
        self._term.set(event.term)
        if not event.on_duty:  # what becomes of the rules is another's to tell now
            self._last_bound_by.clear()
            self._last_reason.clear()
            for metric in self._of_rules:
                metric.clear()

    def _record_decision(self, event: RuleDecided) -> None:
        rule, decision = event.rule, event.decision
        self._desired.labels(rule).set(decision.desired)
        self._current.labels(rule).set(decision.current)
        self._ready.labels(rule).set(decision.ready)
        _forget(self._bound_by, rule, self._last_bound_by.get(rule, ""))
        self._last_bound_by[rule] = decision.bound_by
        self._bound_by.labels(rule, decision.bound_by).set(1)
        for recommendation in decision.recommendations:
            _show(self._value, recommendation.value, rule, recommendation.signal)
            _show(self._recommended, recommendation.replicas, rule, recommendation.signal)
        for signal, answer in event.answers.items():
            missing = self._missing.labels(rule, signal)
            if isinstance(answer.reading, Missing):
                missing.inc()
            crowd = answer.reading if isinstance(answer.reading, Crowd) else None
            _show(self._backlog, None if crowd is None else crowd.backlog, rule, signal)
            _show(self._arrivals, None if crowd is None else crowd.arrivals_per_s, rule, signal)

    def _record_condition(self, event: ConditionChanged) -> None:
        rule, condition = event.rule, event.condition
        _forget(self._condition, rule, condition.type, self._last_reason.get((rule, condition.type), ""))
        self._last_reason[rule, condition.type] = condition.reason
        self._condition.labels(rule, condition.type, condition.reason).set(float(condition.holds))

    def _record_documents(self, event: RulesLoaded) -> None:
        self._loaded.set(event.at_s)
        self._refused_documents.set(len(event.refused))
        for rule in event.rules:
            self._outdated.labels(rule).set(rule in event.outdated)

    def _record_admission(self, event: AdmissionWritten) -> None:
        target, written = event.target, event.written
        if not written.accepted:
            self._refused.labels(target.rule, target.onsale).inc()
            return
        self._rate.labels(target.rule, target.onsale).set(target.rate_per_s)
        _show(self._capacity, target.capacity, target.rule, target.onsale)


def _show(gauge: Gauge, value: float | None, *labels: str) -> None:
    if value is None:
        _forget(gauge, *labels)
    else:
        gauge.labels(*labels).set(value)


def _forget(gauge: Gauge, *labels: str) -> None:
    with suppress(KeyError):
        gauge.remove(*labels)
