"""Runs a `RuleTest`: the rule decides round by round over the test's series, and what it decides is compared.

A virtual target follows each decision at once; new replicas are ready after `startUp`, and the newest go first. Signals
read from Prometheus show a series as Prometheus does: a sample that is left out leaves the last one standing for five
minutes (longer where samples are further apart), and its age is known only where the signal has `freshness`. Other
sources answer with the sample of the moment, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rulebook.decision import Decision, decide
from rulebook.memory import Memory
from rulebook.observation import Crowd, Expected, Missing, Observation, OnsaleTimes, Reading, Value
from rulebook.rule import ScalingRule
from rulebook.ruletest import CrowdSeries, Expectation, RuleTest, RuleTestSpec
from rulebook.series import LOOKBACK_S, see
from rulebook.signals import SignalSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of an expectation that was not met, both sides as text."""

    field: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation, the decision it was compared with, and what differs."""

    index: int
    expectation: Expectation
    decision: Decision
    decided_at_s: float
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of one test."""

    __test__ = False  # pytest takes classes of this name for tests

    test: RuleTest
    rule: ScalingRule
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all expectations were met."""
        return all(check.passed for check in self.checks)


def run_test(test: RuleTest, rule: ScalingRule) -> TestResult:
    """Run one test against the rule that it names."""
    spec, interval_s = test.spec, rule.spec.interval_s
    start_s, every_s = spec.start.timestamp(), spec.every_s or interval_s
    due = sorted(enumerate(spec.expect), key=lambda entry: entry[1].at_s)
    births = [-math.inf] * spec.replicas
    memory, checks, turn = Memory(), [], 0
    for index, expectation in due:
        while True:
            at_s = turn * interval_s
            observation = _observe(rule, spec, every_s, births, at_s)
            decision = decide(rule, observation, memory, start_s + at_s)
            if at_s + interval_s > expectation.at_s + 1e-9:
                break  # the next expectation may still compare with this very decision
            memory = _carry_out(decision, births, start_s + at_s, at_s + spec.start_up_s)
            turn += 1
        checks.append(Check(index, expectation, decision, at_s, _compare(expectation, decision)))
    return TestResult(test, rule, tuple(sorted(checks, key=lambda check: check.index)))


def _carry_out(decision: Decision, births: list[float], now_s: float, ready_at_s: float) -> Memory:
    before, after = decision.current, decision.desired
    if after < before:
        del births[after:]
    births += [ready_at_s] * (after - before)
    return decision.memory.after_scaling(before, after, now_s)


def _observe(
    rule: ScalingRule, spec: RuleTestSpec, every_s: float, births: list[float], at_s: float
) -> Observation:
    now_s = spec.start.timestamp() + at_s
    ready = sum(born_s <= at_s for born_s in births)
    if spec.ready is not None:
        shown = see(spec.ready, every_s, at_s, math.inf)
        ready = min(max(int(shown.value), 0), len(births)) if shown and math.isfinite(shown.value) else 0
    forecast = None
    if spec.forecast is not None and rule.spec.forecast is not None:
        shown = see(spec.forecast, every_s, at_s)
        if shown is not None:
            forecast = Expected(rule.spec.forecast.signal, shown.value, now_s, "the test")
    onsales = {
        name: times for name, series in spec.onsales.items() if (times := _times(series, every_s, at_s))
    }
    readings = {
        signal.name: _read(signal, spec.signals, every_s, at_s, now_s) for signal in rule.spec.signals
    }
    return Observation(len(births), ready, readings, onsales, forecast)


def _read(
    signal: SignalSpec,
    inputs: Mapping[str, str | CrowdSeries],
    every_s: float,
    at_s: float,
    now_s: float,
) -> Reading:
    given = inputs.get(signal.name)
    if given is None:
        return Missing("the test gives no series", answered=True)
    if isinstance(given, CrowdSeries):
        times, arrivals = _times(given, every_s, at_s), see(given.arrivals, every_s, at_s)
        if times is None or arrivals is None:
            return Missing("no sample", answered=True)
        return Crowd(now_s, arrivals.value, times.backlog or 0, times.opens_at_s, times.sessions)
    lookback_s = max(LOOKBACK_S, every_s) if signal.prometheus is not None else 0.0
    shown = see(given, every_s, at_s, lookback_s)
    if shown is None:
        return Missing("no sample", answered=True)
    dated = signal.prometheus is not None and signal.prometheus.freshness is not None
    return Value(shown.value, now_s - shown.age_s if dated else now_s)


def _times(series: CrowdSeries, every_s: float, at_s: float) -> OnsaleTimes | None:
    backlog = see(series.backlog, every_s, at_s)
    if backlog is None or not math.isfinite(backlog.value):
        return None
    sessions = None if series.sessions is None else see(series.sessions, every_s, at_s)
    opens_at_s = None if series.opens is None else series.opens.timestamp()
    inside = int(sessions.value) if sessions is not None and math.isfinite(sessions.value) else None
    return OnsaleTimes(opens_at_s, int(backlog.value), inside)


def _compare(expectation: Expectation, decision: Decision) -> tuple[Difference, ...]:
    admission = decision.admission
    rate = None if admission is None else admission.rate_per_s
    found: list[tuple[str, object, object]] = [
        ("replicas", expectation.replicas, decision.desired),
        ("boundBy", expectation.bound_by, decision.bound_by),
        ("ready", expectation.ready, decision.ready),
        ("capacity", expectation.capacity, None if admission is None else admission.capacity),
    ]
    given = {entry.signal: entry.replicas for entry in decision.recommendations}
    differences = [
        Difference(name, str(wanted), _text(got))
        for name, wanted, got in found
        if wanted is not None and wanted != got
    ]
    differences += [
        Difference(f"recommendations.{name}", _text(wanted), _text(given.get(name)))
        for name, wanted in expectation.recommendations.items()
        if given.get(name) != wanted
    ]
    wanted_rate = expectation.rate_per_s
    if wanted_rate is not None and (rate is None or not math.isclose(rate, wanted_rate, rel_tol=1e-6)):
        differences.append(
            Difference("rate", f"{wanted_rate:g}/s", "none" if rate is None else f"{rate:g}/s")
        )
    if expectation.reason is not None and expectation.reason not in decision.reason:
        differences.append(Difference("reason", f"... {expectation.reason} ...", decision.reason))
    return tuple(differences)


def _text(value: object) -> str:
    return "none" if value is None else str(value)
