"""What the metrics tell of a rule: its bounds, what it lacks, how slow its shop is, and when its crowd should be served."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import autoscaler
from autoscaler.admission import AdmissionTarget, Written
from autoscaler.instrumentation.events import (
    STEPS,
    AdmissionWithdrawn,
    AdmissionWritten,
    ApiAnswered,
    LeadershipChanged,
    LeaseFailed,
    ManualScale,
    RoundEnded,
    RuleDecided,
    RuleNotStarted,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    RuleStarted,
    WatchInterrupted,
)
from autoscaler.instrumentation.prometheus import PrometheusInstrument
from autoscaler.sources.base import Answer
from rulebook.decision import decide
from rulebook.memory import Memory
from rulebook.observation import Crowd, Missing, Observation, Reading, Value
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import START_S, make_rule


class Rounds:
    """Decides round after round by one rule, and records it."""

    def __init__(self, rule: ScalingRule) -> None:
        self.metrics = PrometheusInstrument(now_s=lambda: self._now_s)
        self._rule = rule
        self._memory = Memory()
        self._now_s = START_S

    def decide(self, ready: int = 2, **readings: Reading) -> None:
        observation = Observation(current=2, ready=ready, readings=readings)
        decision = decide(self._rule, observation, self._memory, self._now_s)
        self._memory = decision.memory
        answers = {name: Answer(reading) for name, reading in readings.items()}
        bounds = (self._rule.spec.replicas.min, self._rule.spec.replicas.max)
        self.metrics.record(RuleDecided("web", decision, answers, self._now_s, bounds))
        self._now_s += self._rule.spec.interval_s

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"tidegate_scaler_{name}", {"rule": "web", **labels})

    def busy(self, value: float) -> Value:
        return Value(value, self._now_s)


def test_bounds_and_what_a_signal_is_compared_with_are_told() -> None:
    rounds = Rounds(make_rule())
    rounds.decide(busy=rounds.busy(15.0))
    assert (rounds.value("min_replicas"), rounds.value("max_replicas")) == (1, 10)
    assert rounds.value("signal_value", signal="busy") == 15
    assert rounds.value("signal_target", signal="busy") == 10
    assert rounds.value("admission_factor") is None


def test_counts_are_told_as_they_were_wished_bound_and_found() -> None:
    rounds = Rounds(make_rule(behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}))
    rounds.decide(ready=1, busy=rounds.busy(75.0))
    told = {
        name: rounds.value(f"{name}_replicas", **labels)
        for name, labels in (
            ("recommended", {"signal": "busy"}),
            ("desired", {}),
            ("current", {}),
            ("ready", {}),
        )
    }
    assert told == {"recommended": 8, "desired": 6, "current": 2, "ready": 1}
    assert rounds.value("bound_by", step="policies") == 1
    rounds.decide(ready=2, busy=rounds.busy(15.0))
    assert rounds.value("recommended_replicas", signal="busy") == 2
    assert rounds.value("bound_by", step="policies") is None, "only of the last decision"


def test_the_admission_target_in_force_is_told_and_a_refused_one_only_counted() -> None:
    rounds = Rounds(make_rule())

    def write(rate_per_s: float, capacity: int | None, *, accepted: bool) -> list[float | None]:
        target = AdmissionTarget("cactus", "web", rate_per_s, capacity, "3 ready", 60.0, 4)
        written = Written(accepted, START_S, START_S, START_S + 60, 4)
        rounds.metrics.record(AdmissionWritten(target, written))
        names = ("admission_rate_per_second", "admission_capacity", "admission_refused_total")
        return [rounds.value(name, onsale="cactus") for name in names]

    assert write(7.5, 40, accepted=True) == [7.5, 40, 0]
    assert write(9.0, 50, accepted=False) == [7.5, 40, 1]
    assert write(8.0, None, accepted=True) == [8, None, 1]
    rounds.metrics.record(AdmissionWithdrawn("cactus", "web"))
    assert rounds.value("admission_rate_per_second", onsale="cactus") is None


def test_a_scaler_tells_whether_it_leads_in_which_term_and_what_failed_it() -> None:
    metrics = PrometheusInstrument()

    def told() -> list[float | None]:
        names = ("leading", "leader_term", "lease_failures_total")
        return [metrics.registry.get_sample_value(f"tidegate_scaler_{name}") for name in names]

    metrics.record(LeadershipChanged(True, True, "one", 4, ""))
    assert told() == [1, 4, 0]
    for _ in range(2):
        metrics.record(LeaseFailed("no answer"))
    metrics.record(LeadershipChanged(False, True, "one", 4, "not renewed in time"))
    assert told() == [0, 4, 2]
    metrics.record(LeadershipChanged(False, False, "another", 5, ""))
    assert told() == [0, 5, 2]


def test_watches_that_end_before_their_time_are_counted_by_what_they_follow() -> None:
    metrics = PrometheusInstrument()
    for what in ("deployments", "pods", "pods"):
        metrics.record(WatchInterrupted(what, "410 Gone", True, 1.0))
    name = "tidegate_scaler_watch_interruptions_total"
    assert [metrics.registry.get_sample_value(name, {"what": what}) for what in ("deployments", "pods")] == [
        1,
        2,
    ]


def test_a_rule_without_data_is_blind_and_then_on_its_fallback() -> None:
    rounds = Rounds(make_rule(fallback={"after": 3, "replicas": 6, "mode": "atLeast"}))
    rounds.decide(busy=rounds.busy(15.0))
    assert (rounds.value("blind"), rounds.value("fallback_active")) == (0, 0)
    rounds.decide(busy=Missing("gone"))
    assert (rounds.value("blind"), rounds.value("fallback_active")) == (1, 0)
    assert rounds.value("signal_value", signal="busy") is None
    for _ in range(3):
        rounds.decide(busy=Missing("gone"))
    assert (rounds.value("blind"), rounds.value("fallback_active")) == (1, 1)
    rounds.decide(busy=rounds.busy(15.0))
    assert (rounds.value("blind"), rounds.value("fallback_active")) == (0, 0)


def test_a_slow_shop_shows_as_a_factor() -> None:
    admission: dict[str, Any] = {"onsale": "cactus", "perReadyReplica": 5.0}
    rounds = Rounds(make_rule(admission={**admission, "slow": {"signal": "busy", "above": 50}}))
    rounds.decide(busy=rounds.busy(15.0))
    assert rounds.value("admission_factor") == 1
    rounds.decide(busy=rounds.busy(90.0))
    assert rounds.value("admission_factor") == 0.8


def test_a_crowd_has_a_deadline_for_as_long_as_it_waits() -> None:
    crowd = {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 600.0}, "perReplica": 5.0}
    rounds = Rounds(make_rule(signals=[crowd]))
    rounds.decide(crowd=Crowd(START_S, 3.0, 500))
    assert rounds.value("crowd_deadline_timestamp_seconds", signal="crowd") == START_S + 600
    assert rounds.value("crowd_backlog", signal="crowd") == 500
    rounds.decide(crowd=Crowd(START_S + 15, 0.0, 0))
    assert rounds.value("crowd_deadline_timestamp_seconds", signal="crowd") is None


def test_what_may_happen_is_counted_from_zero_on() -> None:
    rounds = Rounds(make_rule())
    rounds.decide(busy=rounds.busy(15.0))
    for direction in ("up", "down"):
        assert rounds.value("scale_writes_total", direction=direction) == 0
        assert rounds.value("manual_scales_total", direction=direction) == 0
        assert rounds.value("scaled_timestamp_seconds", direction=direction, by="us") is None
    assert rounds.value("scale_conflicts_total") == 0
    assert [rounds.value("failures_total", step=step) for step in STEPS] == [0] * len(STEPS)


def test_every_step_that_is_taken_is_counted_from_zero_on() -> None:
    named = re.compile(r'journal\.(?:step|fail)\(\s*"([^"]+)"')
    sources = (Path(autoscaler.__file__).parent).rglob("*.py")
    assert {step for source in sources for step in named.findall(source.read_text())} == set(STEPS)


def test_when_and_by_whom_a_count_was_changed_is_told() -> None:
    rounds = Rounds(make_rule())
    rounds.decide(busy=rounds.busy(15.0))
    rounds.metrics.record(RuleScaled("web", "ProcessPool shop", 2, 4, "busy asks for 4"))
    changed_at_s = START_S + 15
    assert rounds.value("scaled_timestamp_seconds", direction="up", by="us") == changed_at_s
    rounds.decide(busy=rounds.busy(15.0))
    rounds.metrics.record(ManualScale("web", "ProcessPool shop", 4, 3, "kubectl"))
    assert rounds.value("scaled_timestamp_seconds", direction="up", by="us") == changed_at_s
    assert rounds.value("scaled_timestamp_seconds", direction="down", by="others") == changed_at_s + 15


def test_series_of_a_rule_go_with_it_and_with_the_lease() -> None:
    for gone in (RuleRemoved("web"), LeadershipChanged(False, False, "another", 3, "")):
        rounds = Rounds(make_rule())
        rounds.decide(busy=rounds.busy(15.0))
        rounds.metrics.record(gone)
        names = ("min_replicas", "max_replicas", "blind", "fallback_active", "desired_replicas")
        assert [rounds.value(name) for name in names] == [None] * 5


def test_answers_of_the_api_server_are_counted_by_verb_and_code() -> None:
    metrics = PrometheusInstrument()
    for code in ("200", "409", "409", "none"):
        metrics.record(ApiAnswered("put", code, 0.02))
    name = "tidegate_scaler_kubernetes_request_duration_seconds_count"
    counted = {
        code: metrics.registry.get_sample_value(name, {"verb": "put", "code": code})
        for code in ("200", "409", "none")
    }
    assert counted == {"200": 1, "409": 2, "none": 1}


def test_a_rule_that_has_never_succeeded_has_a_last_success_to_be_judged_by() -> None:
    rounds = Rounds(make_rule())
    rounds.metrics.record(RuleStarted("web", START_S))
    rounds.metrics.record(RoundEnded("web", False, START_S + 15, 0.1))
    assert rounds.value("last_success_timestamp_seconds") == START_S
    rounds.metrics.record(RoundEnded("web", True, START_S + 30, 0.1))
    assert rounds.value("last_success_timestamp_seconds") == START_S + 30


def test_a_rule_that_is_not_at_work_is_told_until_it_is_or_is_gone() -> None:
    rounds = Rounds(make_rule())
    loaded = RulesLoaded(("web",), frozenset(), (), START_S)
    told = []
    for event in (
        loaded,
        RuleNotStarted("web", "no cluster"),
        loaded,
        RuleStarted("web", START_S),
        RuleNotStarted("web", "no cluster"),
        replace(loaded, rules=()),
    ):
        rounds.metrics.record(event)
        told.append(rounds.value("rule_not_started"))
    assert told == [0, 1, 0, 0, 1, None]
