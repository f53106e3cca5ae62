"""What a rule would have done over a stretch of the past: recorded readings, decided on by the real `decide`. Pure.

The past doesn't answer back: what was measured was measured with the replicas there were. An amount for the whole (a signal with
`perReplica`) is the same whatever their number. A ratio (a signal with `target`, such as latency) isn't: at twice the replicas it
would have been lower. It is scaled by actual over simulated replicas, which is the HPA's own assumption when it multiplies the
ratio by the count; where the actual count was not recorded, it stands as it is. The demand is what the amounts ask for at each
moment, without tolerance, windows and policies. A crowd asks for nothing before its doors open: nobody can be served there yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from rulebook.decision import decide
from rulebook.memory import Memory
from rulebook.observation import Crowd, Missing, Observation, OnsaleTimes, Reading, Value
from rulebook.recommend import replicas_inside
from rulebook.rule import RuleSpec, ScalingRule
from rulebook.simulation.errors import SimulationError
from rulebook.simulation.replay import take_away
from rulebook.simulation.scores import Elasticity, elasticity

MAX_MOMENTS: Final = 500_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """Readings of each signal and the replicas there were, at moments `step_s` apart from `start_s` (unix seconds) on.

    `onsales` holds the times of those that a schedule names and no signal reads, None where nothing is known.
    """

    start_s: float
    step_s: float
    readings: MappingType[str, tuple[Reading, ...]]
    replicas: tuple[int | None, ...]
    onsales: MappingType[str, tuple[OnsaleTimes | None, ...]] = field(default_factory=dict)

    @property
    def moments(self) -> int:
        """How many there are."""
        return len(self.replicas)

    def at_s(self, moment: int) -> float:
        """The time of one."""
        return self.start_s + moment * self.step_s


@dataclass(frozen=True, slots=True)
class Change:
    """A change the rule would have made, and why."""

    at_s: float
    before: int
    after: int
    bound_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Course:
    """Replicas over all moments, those that were ready too, and how they score against the demand."""

    name: str
    about: str
    replicas: tuple[int, ...]
    ready: tuple[int, ...]
    elasticity: Elasticity
    elastic_speedup: float
    replica_hours: float
    mean_replicas: float
    peak_replicas: int
    changes: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came out. `courses` are the rule, what was (if that was recorded) and the baseline, which does not scale."""

    rule: ScalingRule
    recorded: Recorded
    needed: tuple[int, ...]
    changes: tuple[Change, ...]
    courses: tuple[Course, ...]
    missing: MappingType[str, int]
    notes: tuple[str, ...]


def backtest(rule: ScalingRule, recorded: Recorded, startup_s: float) -> Backtest:
    """Replay; a replica is ready `startup_s` after it was ordered.

    Raises:
        SimulationError: nothing was recorded, or too much to replay.
    """
    if not 1 <= recorded.moments <= MAX_MOMENTS:
        raise SimulationError(
            f"{recorded.moments} moments: must be from 1 to {MAX_MOMENTS}; give a longer step"
        )
    spec = rule.spec
    needed = _demand(spec, recorded)
    was = _filled(recorded.replicas)
    first = min(max(needed[0] if was is None else was[0], spec.replicas.min), spec.replicas.max)
    ordered, ready, changes = _replay(_at_work(rule), recorded, startup_s, first)
    mean = min(max(math.ceil(sum(needed) / len(needed)), spec.replicas.min, 1), spec.replicas.max)
    still = [mean] * recorded.moments
    baseline = elasticity([1] * len(needed), needed, still)

    def course(name: str, about: str, replicas: Sequence[int], supply: Sequence[int], changed: int) -> Course:
        own = elasticity([1] * len(needed), needed, supply)
        return Course(
            name=name,
            about=about,
            replicas=tuple(replicas),
            ready=tuple(supply),
            elasticity=own,
            elastic_speedup=own.speedup(baseline),
            replica_hours=sum(replicas) * recorded.step_s / 3600.0,
            mean_replicas=sum(replicas) / len(replicas),
            peak_replicas=max(replicas),
            changes=changed,
        )

    courses = [course("rule", f"rule {rule.name}", ordered, ready, len(changes))]
    if was is not None:
        moved = sum(before != after for before, after in pairwise(was))
        courses.append(course("was", "the replicas there were", was, was, moved))
    courses.append(course("baseline", f"no scaling: {mean} replicas throughout", still, still, 0))
    missing = {
        name: sum(isinstance(reading, Missing) for reading in readings)
        for name, readings in recorded.readings.items()
    }
    return Backtest(
        rule=rule,
        recorded=recorded,
        needed=tuple(needed),
        changes=tuple(changes),
        courses=tuple(courses),
        missing=missing,
        notes=_notes(spec, recorded),
    )


def _at_work(rule: ScalingRule) -> ScalingRule:
    """Wake a rule that is paused or on a dry run: what it would do is the question."""
    if not rule.spec.paused and not rule.spec.dry_run:
        return rule
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"paused": False, "dry_run": False})})


def _replay(
    rule: ScalingRule, recorded: Recorded, startup_s: float, replicas: int
) -> tuple[list[int], list[int], list[Change]]:
    memory, starting = Memory(), list[tuple[int, int]]()
    ordered = ready = replicas
    startup = math.ceil(startup_s / recorded.step_s)
    all_ordered, all_ready, changes = [], [], []
    for moment in range(recorded.moments):
        while starting and starting[0][0] <= moment:
            ready += starting.pop(0)[1]
        now_s = recorded.at_s(moment)
        readings = {
            signal.name: _seen(recorded, signal.name, moment, ready, ratio=signal.target_value is not None)
            for signal in rule.spec.signals
        }
        onsales = {name: told for name, all_told in recorded.onsales.items() if (told := all_told[moment])}
        decision = decide(rule, Observation(ordered, ready, readings, onsales), memory, now_s)
        memory = decision.memory.after_scaling(ordered, decision.desired, now_s)
        wanted = decision.desired
        if wanted != ordered:
            changes.append(Change(now_s, ordered, wanted, decision.bound_by, decision.reason))
        if wanted > ordered:
            starting.append((moment + startup, wanted - ordered))
            if startup == 0:
                ready += starting.pop()[1]
        elif wanted < ordered:
            ready = take_away(starting, ready, ordered - wanted)
        ordered = wanted
        all_ordered.append(ordered)
        all_ready.append(ready)
    return all_ordered, all_ready, changes


def _seen(recorded: Recorded, signal: str, moment: int, ready: int, *, ratio: bool) -> Reading:
    reading = recorded.readings[signal][moment]
    actual = recorded.replicas[moment]
    if not ratio or not isinstance(reading, Value) or not actual or not ready:
        return reading
    return Value(reading.value * actual / ready, reading.at_s)


def _demand(spec: RuleSpec, recorded: Recorded) -> list[int]:
    """Give the replicas which the amounts ask for, within the limits; while nothing is known it stays as it was.

    A rule without amounts is measured by its ratios times the replicas there were.
    """
    amounts = [signal for signal in spec.signals if signal.per_replica is not None]
    demand, last = [], spec.replicas.min
    for moment in range(recorded.moments):
        asked = []
        for signal in amounts or spec.signals:
            reading = recorded.readings[signal.name][moment]
            if isinstance(reading, Missing):
                continue
            if isinstance(reading, Value):
                times = 1 if signal.per_replica is not None else recorded.replicas[moment]
                amount = None if times is None else reading.value * times
            else:
                assert signal.onsale is not None  # noqa: S101  # only such a signal reads a crowd
                amount = _to_serve(reading, signal.onsale.drain_within_s, recorded.at_s(moment))
                asked.append(min(replicas_inside(signal.onsale.name, reading, spec), spec.replicas.max))
            if amount is not None:
                asked.append(math.ceil(min(amount / signal.reference - 1e-9, spec.replicas.max)))
        if asked:
            last = min(max(*asked, spec.replicas.min), spec.replicas.max)
        demand.append(last)
    return demand


def _to_serve(crowd: Crowd, drain_within_s: float, now_s: float) -> float:
    """Give the buyers/s to be served now: none before the doors open."""
    if crowd.opens_at_s is not None and now_s < crowd.opens_at_s:
        return 0.0
    return crowd.arrivals_per_s + crowd.backlog / drain_within_s


def _filled(replicas: Sequence[int | None]) -> list[int] | None:
    """Fill gaps with what was before them; None where nothing was recorded at all."""
    known = next((count for count in replicas if count is not None), None)
    if known is None:
        return None
    filled = []
    for count in replicas:
        known = known if count is None else count
        filled.append(known)
    return filled


def _notes(spec: RuleSpec, recorded: Recorded) -> tuple[str, ...]:
    notes = []
    ratios = [signal.name for signal in spec.signals if signal.target_value is not None]
    if ratios:
        named = ", ".join(ratios)
        if any(recorded.replicas):
            notes.append(f"{named}: scaled by actual over simulated replicas, as if the load spread evenly")
        else:
            notes.append(
                f"{named}: taken as recorded, though with other replicas it would have been another; "
                "give --replicas-query, so that it can be scaled"
            )
    if recorded.step_s > spec.interval_s:
        notes.append(
            f"the rule decides each {spec.interval_s:g} s, here only each {recorded.step_s:g} s (see --step)"
        )
    if any(signal.onsale is not None for signal in spec.signals):
        notes.append(
            "the crowd is taken as recorded, though with other replicas other buyers had been let in"
        )
    if spec.paused or spec.dry_run:
        notes.append("the rule is paused or on a dry run: it is replayed as if it were not")
    if spec.forecast is not None:
        notes.append("the forecast is not replayed")
    unknown = [name for name in _scheduled(spec) if not _opening_known(spec, recorded, name)]
    if unknown:
        notes.append(
            f"schedules by {', '.join(unknown)} are not replayed: no opening was recorded "
            "(tidegate_queue_opens_timestamp_seconds)"
        )
    if any(signal.prometheus is not None and signal.prometheus.freshness for signal in spec.signals):
        notes.append("freshness is not replayed: each value counts as new")
    if spec.admission is not None:
        notes.append("admission is not replayed")
    return tuple(notes)


def _scheduled(spec: RuleSpec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.onsale for entry in spec.schedule if entry.onsale is not None))


def _opening_known(spec: RuleSpec, recorded: Recorded, onsale: str) -> bool:
    told: list[OnsaleTimes | Reading | None] = list(recorded.onsales.get(onsale, ()))
    for signal in spec.signals:
        if signal.onsale is not None and signal.onsale.name == onsale:
            told += recorded.readings[signal.name]
    return any(isinstance(one, Crowd | OnsaleTimes) and one.opens_at_s is not None for one in told)
