"""What the pages show of rules: statuses put into the words of people who run services. Pure; `now_s` is monotonic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.console.happenings import Grade
from autoscaler.console.pastrounds import ROUNDS_KEPT, Round
from autoscaler.console.plot import Plot, Series, draw, format_number
from autoscaler.sources.base import Answer
from autoscaler.status import RuleStatus
from rulebook.observation import Crowd, Missing, Value
from rulebook.override import OverrideMode
from rulebook.rule import Paused, ScalingRule
from rulebook.signals import SignalSpec

LATE_ROUNDS: Final = 3
GAP_ROUNDS: Final = 6
"""Where there was no round for longer, a plot has a gap."""
SHORTEST_GAP_S: Final = 5.0
DESCRIPTION: Final = "tidegate.dev/description"
"""The annotation of a rule's document which says in a sentence what the service is."""
TRIED_AGAIN: Final = (
    "Nothing is scaled by it. Mend that, then save its document anew or send the scaler SIGHUP."
)
"""What is to be done about a rule that was not started; it is tried again then."""
_TALL, _LOW = 240, 130


@dataclass(frozen=True, slots=True)
class Said:
    """A word with its colour, and what is behind it."""

    text: str
    grade: Grade
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A rule as a line of the table of services; one that is not `started` has no page of its own."""

    name: str
    target: str
    description: str
    desired: int | None
    available: int | None
    status: Said
    mode: Said
    started: bool = True


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal as a line: what it stands at, what it should, what it asks for, and its plot."""

    name: str
    source: str
    value: str
    target: str
    replicas: str
    detail: str
    missing: bool
    plot: Plot | None


def service_row(
    rule: ScalingRule, status: RuleStatus, *, outdated: bool, now_s: float, refused: str = ""
) -> ServiceRow:
    """Put a rule on a line; `refused` is why its newest form was not started, the one before is in force then."""
    state = status.state
    said = health(status, outdated=outdated, now_s=now_s, optional=_optional(rule))
    if refused and said.grade != "bad":
        said = Said("New form not started", "bad", f"{refused}; the form before is in force")
    return ServiceRow(
        name=rule.name,
        target=status.target,
        description=describe(rule),
        desired=None if state is None else state.replicas,
        available=None if state is None else state.ready,
        status=said,
        mode=mode_of(rule, status),
    )


def row_not_started(rule: ScalingRule, error: str) -> ServiceRow:
    """Put a rule on a line whose target could not be opened: no round is made, so nothing is known of it but why."""
    return ServiceRow(
        name=rule.name,
        target=str(rule.spec.target),
        description=describe(rule),
        desired=None,
        available=None,
        status=Said("Not started", "bad", f"{error}. {TRIED_AGAIN}"),
        mode=Said("Not running", "note"),
        started=False,
    )


def describe(rule: ScalingRule) -> str:
    """Say what a rule is about: its writer's words, or else what it scales by."""
    written = rule.metadata.annotations.get(DESCRIPTION, "").strip()
    if written:
        return written
    names = ", ".join(signal.name for signal in rule.spec.signals)
    return f"Scaled by {names}"


def health(
    status: RuleStatus, *, outdated: bool, now_s: float, optional: frozenset[str] = frozenset()
) -> Said:
    """Say in a word how a service does; what is worst comes first. `optional` signals may be missing."""
    state, last_s = status.state, status.last_round_monotonic_s
    if last_s is None:
        return Said("Starting", "note", "no round has ended yet")
    if now_s - last_s > max(LATE_ROUNDS * status.interval_s, LATE_ROUNDS):
        return Said("Stuck", "bad", f"the last round ended {ago(now_s - last_s)} ago")
    for condition in status.conditions:
        if condition.type == "AbleToScale" and not condition.holds:
            return Said("Cannot scale", "bad", condition.message)
        if condition.reason == "FailedGetMetrics":
            return Said("No data", "bad", condition.message)
    if status.last_success_at_s != status.last_round_at_s and status.failures:
        failure = status.failures[-1]
        return Said("Failing", "warning", f"{failure.step}: {failure.error}")
    if state is not None and state.ready < state.replicas:
        if state.ready == 0:
            return Said("Unavailable", "bad", "no replica is ready")
        return Said("Scaling", "warning", f"{state.replicas - state.ready} not ready yet")
    missing = [
        name
        for name, answer in status.answers.items()
        if isinstance(answer.reading, Missing) and name not in optional
    ]
    if missing:
        return Said("Data missing", "warning", ", ".join(missing))
    if outdated:
        return Said("Old rule", "warning", "its document cannot be used; the last good form is in force")
    if state is not None and state.replicas == 0:
        return Said("Scaled to zero", "note")
    return Said("Healthy", "good")


def _optional(rule: ScalingRule) -> frozenset[str]:
    """Name the signals which the rule does without: a quiet shop has no latency."""
    return frozenset(signal.name for signal in rule.spec.signals if signal.on_missing == "ignore")


def mode_of(rule: ScalingRule, status: RuleStatus) -> Said:
    """Say whether a rule acts; an operator's word comes before the document's."""
    override = status.override
    if override is not None:
        by = f"by {override.who}" + (f": {override.reason}" if override.reason else "")
        match override.mode:
            case OverrideMode.PAUSED:
                return Said("Paused", "warning", by)
            case OverrideMode.PINNED:
                return Said(f"Pinned at {override.replicas}", "warning", by)
            case OverrideMode.DRY_RUN:
                return Said("Dry run", "note", by)
    spec = rule.spec
    if spec.dry_run:
        return Said("Dry run", "note", "by its document")
    if isinstance(spec.paused, Paused):
        return Said(f"Pinned at {spec.paused.replicas}", "warning", "by its document")
    if spec.paused:
        return Said("Paused", "warning", "by its document")
    return Said("Automatic", "good")


def signal_rows(rule: ScalingRule, status: RuleStatus, rounds: Sequence[Round]) -> tuple[SignalRow, ...]:
    """Put each signal on a line."""
    optional = _optional(rule)
    asked = {} if status.decision is None else {r.signal: r for r in status.decision.recommendations}
    rows = []
    for signal in rule.spec.signals:
        answer, recommendation = status.answers.get(signal.name), asked.get(signal.name)
        history = tuple((one.at_s, dict(one.values).get(signal.name)) for one in rounds)
        series = Series(signal.name, "signal", history)
        rows.append(
            SignalRow(
                name=signal.name,
                source=_source(signal),
                value=_value(answer),
                target=_wanted(signal),
                replicas="-"
                if recommendation is None or recommendation.replicas is None
                else str(recommendation.replicas),
                detail="" if recommendation is None else recommendation.detail,
                missing=answer is not None
                and isinstance(answer.reading, Missing)
                and signal.name not in optional,
                plot=draw([series], _LOW, _gap_s(status.interval_s)),
            )
        )
    return tuple(rows)


def lately(rounds: Sequence[Round], interval_s: float) -> tuple[Round, ...]:
    """Leave out what one process would not remember: after a long rest, what was before it."""
    if not rounds:
        return ()
    since_s = rounds[-1].at_s - ROUNDS_KEPT * interval_s
    return tuple(one for one in rounds if one.at_s >= since_s)


def replicas_plot(rounds: Sequence[Round], interval_s: float, most: int) -> Plot | None:
    """Draw what was wanted and what was there, and what each signal asked for.

    A signal may ask for ten times what the rule allows; then the lines that matter would lie on the ground. So what is beyond
    the rule's `most`, and a quarter more, is drawn at the upper edge.
    """
    there = max((max(one.desired, one.ready, one.current) for one in rounds), default=0)
    ceiling = max(most, there) * 1.25
    names = list(dict.fromkeys(name for one in rounds for name, _ in one.recommended))
    asked = [
        Series(
            f"{name} asks for",
            f"asked asked-{index % 4 + 1}",
            tuple((one.at_s, dict(one.recommended).get(name)) for one in rounds),
            steps=True,
        )
        for index, name in enumerate(names)
    ]
    return draw(
        [
            *asked,
            Series("available", "available", tuple((one.at_s, one.ready) for one in rounds), steps=True),
            Series("desired", "desired", tuple((one.at_s, one.desired) for one in rounds), steps=True),
        ],
        _TALL,
        _gap_s(interval_s),
        ceiling,
    )


def _gap_s(interval_s: float) -> float:
    return max(GAP_ROUNDS * interval_s, SHORTEST_GAP_S)


def ago(seconds: float) -> str:
    """Write a length of time in a few characters."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return "0 s"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def summary_of(counts: Mapping[Grade, int]) -> str:
    """Say how many services are well."""
    bad, warning = counts.get("bad", 0), counts.get("warning", 0)
    if not bad and not warning:
        return "All services are well"
    parts = [f"{bad} in trouble"] if bad else []
    parts += [f"{warning} to watch"] if warning else []
    return ", ".join(parts)


def _source(signal: SignalSpec) -> str:
    if signal.prometheus is not None:
        return signal.prometheus.query
    if signal.onsale is not None:
        return f"onsale {signal.onsale.name}"
    return "replicas' own metrics"


def _wanted(signal: SignalSpec) -> str:
    if signal.per_replica is not None:
        return f"{format_number(signal.per_replica)} a replica"
    if signal.target_value is not None:
        return format_number(signal.target_value)
    return "-"


def _value(answer: Answer | None) -> str:
    if answer is None:
        return "-"
    reading = answer.reading
    if isinstance(reading, Value):
        return format_number(reading.value)
    if isinstance(reading, Crowd):
        return f"{format_number(reading.backlog)} waiting, {format_number(reading.arrivals_per_s)}/s arrive"
    return f"missing: {reading.reason}"
