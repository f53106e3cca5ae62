"""Events as Prometheus metrics, `tidegate_scaler_...`.

What has no value now has no series: a gauge that stays at its last number while its signal is missing would be a lie. Counters
of what may happen begin at 0 with a rule's first round, as Prometheus takes no notice of how a series comes to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from autoscaler.instrumentation.events import (
    STEPS,
    AdmissionWithdrawn,
    AdmissionWritten,
    ApiAnswered,
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
    RuleNotStarted,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    RuleStarted,
    ScaleConflict,
    StepFailed,
    WatchInterrupted,
)
from rulebook.families import Family
from rulebook.observation import Crowd, Missing

_PREFIX = "tidegate_scaler_"
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class PrometheusInstrument:
    """Keeps the metrics of one scaler in a registry of its own; `families` says what they are."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self.registry = CollectorRegistry()
        self.families: list[Family] = []
        self._of_rules: list[Gauge | Counter | Histogram] = []
        self._without_target: set[str] = set()
        self._last_bound_by: dict[str, str] = {}
        self._last_reason: dict[tuple[str, str], str] = {}
        gauge, counter = self._gauge, self._counter
        rule, onsale = "rule", "onsale"

        self._value = gauge(
            "signal_value", "the signal's own", "Value that a signal was compared by.", rule, "signal"
        )
        self._aim = gauge(
            "signal_target", "the signal's own", "What the value is compared with.", rule, "signal"
        )
        self._backlog = gauge(
            "crowd_backlog", "buyers", "Buyers waiting, those whose claim is late included.", rule, "signal"
        )
        self._arrivals = gauge("crowd_arrivals_per_second", "buyers/s", "Buyers who join.", rule, "signal")
        self._deadline = gauge(
            "crowd_deadline_timestamp_seconds",
            "unix time, s",
            "When the backlog is to be empty; none while there is no backlog.",
            rule,
            "signal",
        )
        self._missing = counter(
            "signal_missing", "rounds", "Rounds without a value of this signal.", rule, "signal"
        )
        self._blind = gauge("blind", "0 or 1", "1 while too much is missing to decide by.", rule)
        self._fallback = gauge("fallback_active", "0 or 1", "1 while the rule's fallback has its say.", rule)
        self._recommended = gauge(
            "recommended_replicas", "replicas", "Replicas that one signal asks for.", rule, "signal"
        )
        self._desired = gauge("desired_replicas", "replicas", "Replicas decided on.", rule)
        self._current = gauge(
            "current_replicas", "replicas", "Replicas wanted of the target before the decision.", rule
        )
        self._ready = gauge("ready_replicas", "replicas", "Replicas that are ready.", rule)
        self._least = gauge("min_replicas", "replicas", "Least replicas that the document allows.", rule)
        self._most = gauge("max_replicas", "replicas", "Most replicas that the document allows.", rule)
        self._bound_by = gauge(
            "bound_by", "0 or 1", "1 for the step that bound the last decision.", rule, "step"
        )
        self._scaled = counter("scale_writes", "writes", "Changes of replica counts.", rule, "direction")
        self._manual = counter(
            "manual_scales", "changes", "Changes of replica counts by others.", rule, "direction"
        )
        self._scaled_at = gauge(
            "scaled_timestamp_seconds",
            "unix time, s",
            "When the replica count was last changed: by us, or by others.",
            rule,
            "direction",
            "by",
        )
        self._conflicts = counter(
            "scale_conflicts", "writes", "Writes refused as the target had changed.", rule
        )
        self._condition = gauge(
            "condition",
            "0 or 1",
            "1 while a condition of the rule holds, 0 while not.",
            rule,
            "condition",
            "reason",
        )
        self._interrupted = counter(
            "watch_interruptions", "watches", "Watches that ended before their time.", "what"
        )
        self._rate = gauge(
            "admission_rate_per_second", "buyers/s", "What the target in force admits.", rule, onsale
        )
        self._capacity = gauge(
            "admission_capacity", "sessions", "Live sessions that the target in force admits.", rule, onsale
        )
        self._factor = gauge(
            "admission_factor",
            "share",
            "Share of the full rate that is admitted: below 1 while the shop is slow, or was lately.",
            rule,
        )
        self._refused = counter(
            "admission_refused", "writes", "Admission targets refused for a newer term.", rule, onsale
        )
        self._success = gauge(
            "last_success_timestamp_seconds",
            "unix time, s",
            "When a round last ended without a failure; before the first, when the rule went to work.",
            rule,
        )
        self._failed = counter("failures", "steps", "Steps of rounds that failed.", rule, "step")
        self._started = counter("pool_starts", "processes", "Processes started.", "pool")
        self._crashed = counter("pool_crashes", "processes", "Processes that ended by themselves.", "pool")
        self._queries = counter(
            "prometheus_queries",
            "queries",
            "Queries to Prometheus, by whether they gave a number.",
            "outcome",
        )
        self._query_duration = self._histogram(
            "prometheus_query_duration_seconds",
            "Time a query to Prometheus takes, further attempts included.",
        )
        self._requests = self._histogram(
            "kubernetes_request_duration_seconds",
            "Time until the API server answers; `code` is the HTTP status, or none.",
            "verb",
            "code",
        )
        self._duration = self._histogram("loop_duration_seconds", "Time a round takes.", rule)
        self._outdated = gauge(
            "rule_outdated",
            "0 or 1",
            "1 for a rule whose document went bad, its last good form being in force.",
            rule,
        )
        self._not_started = gauge(
            "rule_not_started",
            "0 or 1",
            "1 for a rule in force whose target could not be opened: nothing is done by it as it is written.",
            rule,
        )
        self._refused_documents = gauge(
            "documents_refused",
            "mistakes",
            "Mistakes in the documents which keep something of them from being in force.",
        )
        self._loaded = gauge(
            "documents_loaded_timestamp_seconds", "unix time, s", "When the documents were last read."
        )
        self._leading = gauge("leading", "0 or 1", "1 while this process leads and may act.")
        self._term = gauge("leader_term", "changes", "Changes of leader, as the lease counts them.")
        self._lease_failed = counter(
            "lease_failures", "tries", "Tries to read or write the lease that failed."
        )

    def _gauge(self, name: str, unit: str, text: str, *labels: str) -> Gauge:
        family = self._declare(Family(_PREFIX + name, "gauge", text, unit, labels))
        made = Gauge(family.name, text, labels, registry=self.registry)
        if "rule" in labels:
            self._of_rules.append(made)
        return made

    def _counter(self, name: str, unit: str, text: str, *labels: str) -> Counter:
        family = self._declare(Family(_PREFIX + name, "counter", text, unit, labels))
        made = Counter(family.name, text, labels, registry=self.registry)
        if "rule" in labels:
            self._of_rules.append(made)
        return made

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        family = self._declare(Family(_PREFIX + name, "histogram", text, "s", labels))
        made = Histogram(family.name, text, labels, buckets=_DURATIONS_S, registry=self.registry)
        if "rule" in labels:
            self._of_rules.append(made)
        return made

    def _declare(self, family: Family) -> Family:
        self.families.append(family)
        return family

    def record(self, event: Event) -> None:
        """Update the metrics which an event concerns."""
        match event:
            case RuleDecided():
                self._record_decision(event)
            case RuleScaled():
                self._record_change(event, self._scaled, "us")
                self._desired.labels(event.rule).set(event.after)
            case ManualScale():
                self._record_change(event, self._manual, "others")
            case ScaleConflict():
                self._conflicts.labels(event.rule).inc()
            case ConditionChanged():
                self._record_condition(event)
            case WatchInterrupted():
                self._interrupted.labels(event.what).inc()
            case AdmissionWritten():
                self._record_admission(event)
            case AdmissionWithdrawn():
                for gauge in (self._rate, self._capacity):
                    _forget(gauge, event.rule, event.onsale)
            case StepFailed():
                self._failed.labels(event.rule, event.step).inc()
            case RoundEnded():
                self._duration.labels(event.rule).observe(event.took_s)
                if event.ok:
                    self._success.labels(event.rule).set(event.at_s)
            case QueryAnswered():
                for outcome, asked in (("number", event.ok), ("none", not event.ok)):
                    self._queries.labels(outcome).inc(asked)
                self._query_duration.observe(event.took_s)
            case ApiAnswered():
                self._requests.labels(event.verb, event.code).observe(event.took_s)
            case RulesLoaded():
                self._record_documents(event)
            case RuleStarted():
                self._success.labels(event.rule).set(event.at_s)
                self._not_started.labels(event.rule).set(0)
            case RuleNotStarted():
                self._without_target.add(event.rule)
                self._not_started.labels(event.rule).set(1)
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
                self._crashed.labels(event.pool)
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

    def _record_change(self, event: RuleScaled | ManualScale, counter: Counter, by: str) -> None:
        direction = "up" if event.after > event.before else "down"
        counter.labels(event.rule, direction).inc()
        self._scaled_at.labels(event.rule, direction, by).set(self._now_s())

    def _begin_counting(self, rule: str) -> None:
        for direction in ("up", "down"):
            self._scaled.labels(rule, direction)
            self._manual.labels(rule, direction)
        self._conflicts.labels(rule)
        for step in STEPS:
            self._failed.labels(rule, step)

    def _record_decision(self, event: RuleDecided) -> None:
        rule, decision = event.rule, event.decision
        self._begin_counting(rule)
        self._desired.labels(rule).set(decision.desired)
        self._current.labels(rule).set(decision.current)
        self._ready.labels(rule).set(decision.ready)
        self._least.labels(rule).set(event.bounds[0])
        self._most.labels(rule).set(event.bounds[1])
        self._blind.labels(rule).set(decision.memory.blind_since_s is not None)
        self._fallback.labels(rule).set(any(step.name == "fallback" for step in decision.steps))
        _show(self._factor, None if decision.admission is None else decision.memory.slow_factor, rule)
        _forget(self._bound_by, rule, self._last_bound_by.get(rule, ""))
        self._last_bound_by[rule] = decision.bound_by
        self._bound_by.labels(rule, decision.bound_by).set(1)
        for recommendation in decision.recommendations:
            _show(self._value, recommendation.value, rule, recommendation.signal)
            _show(self._recommended, recommendation.replicas, rule, recommendation.signal)
            self._aim.labels(rule, recommendation.signal).set(recommendation.target)
            deadline_s = decision.memory.deadline(recommendation.signal)
            _show(self._deadline, deadline_s, rule, recommendation.signal)
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
            self._not_started.labels(rule).set(0)
        for rule in self._without_target.difference(event.rules):  # it is never told that these are removed
            for metric in self._of_rules:
                metric.remove_by_labels({"rule": rule})
        self._without_target.clear()

    def _record_admission(self, event: AdmissionWritten) -> None:
        target, written = event.target, event.written
        self._refused.labels(target.rule, target.onsale).inc(not written.accepted)
        if not written.accepted:
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
