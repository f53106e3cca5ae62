"""One simulation from beginning to end: the rule, its rival if wanted, the optimum and the baseline on one trace."""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from rulebook.rule import ScalingRule
from rulebook.simulation.arrivals import Trace
from rulebook.simulation.errors import SimulationError
from rulebook.simulation.meaning import Mapping, Meaning, map_signals
from rulebook.simulation.pilots import PlanPilot, RulePilot, best_plan
from rulebook.simulation.replay import Run, replay
from rulebook.simulation.rivals import HpaMetric, describe, hpa_rival
from rulebook.simulation.scores import Scores, demand, mean_demand, score
from rulebook.simulation.service import Service

BEGINS_AT: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""When a simulation begins unless told otherwise, for schedules: a Monday, at midnight UTC."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to simulate. `told` are the meanings of signals that the user gave; bounds of None are the rule's own."""

    told: MappingType[str, Meaning] = field(default_factory=dict)
    against_hpa: bool = False
    hpa_metric: HpaMetric = "requests"
    hpa_target: float | None = None
    window_s: float = 30.0
    least: int | None = None
    most: int | None = None
    begins_at: datetime = BEGINS_AT


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to scale, its run and its scores."""

    name: str
    about: str
    run: Run
    scores: Scores


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that came out. `contenders` are the rule, the HPA if wanted, the optimum and the baseline."""

    rule: ScalingRule
    trace: Trace
    service: Service
    mappings: tuple[Mapping, ...]
    needed: tuple[int, ...]
    contenders: tuple[Contender, ...]
    notes: tuple[str, ...]

    def contender(self, name: str) -> Contender:
        """Look a contender up: `rule`, `hpa`, `optimum` or `baseline`.

        Raises:
            KeyError: it did not run.
        """
        for contender in self.contenders:
            if contender.name == name:
                return contender
        raise KeyError(name)


def compare(rule: ScalingRule, trace: Trace, service: Service, settings: Settings) -> Comparison:
    """Simulate.

    Raises:
        SimulationError: it cannot be done with these.
    """
    rule = _within(rule, settings)
    mappings = map_signals(rule, settings.told, settings.window_s, service.quantile)
    needed = demand(trace, service)
    least, most = rule.spec.replicas.min, rule.spec.replicas.max
    first = min(max(needed[0], least), most)
    begins_at_s = settings.begins_at.timestamp()
    mean = min(max(math.ceil(mean_demand(trace, needed)), least, 1), most)
    baseline = replay(trace, service, PlanPilot([mean] * trace.seconds), mean)
    plan = best_plan(trace, service, (least, most))
    runs = [
        ("rule", f"rule {rule.name}", replay(trace, service, RulePilot(rule, mappings, begins_at_s), first))
    ]
    if settings.against_hpa:
        rival, mapping = hpa_rival(
            rule, mappings, service, settings.hpa_metric, settings.hpa_target, settings.window_s
        )
        start = max(first, rival.spec.replicas.min)
        runs.append(
            (
                "hpa",
                describe(rival, mapping),
                replay(trace, service, RulePilot(rival, [mapping], begins_at_s), start),
            )
        )
    runs += [
        (
            "optimum",
            "knows the trace: ready just when needed, the fewest that keep the objective, and no better",
            replay(trace, service, PlanPilot(plan), max(plan[0], first)),
        ),
        ("baseline", f"no scaling: {mean} replicas throughout", baseline),
    ]
    return Comparison(
        rule=rule,
        trace=trace,
        service=service,
        mappings=mappings,
        needed=tuple(needed),
        contenders=tuple(
            Contender(name, about, run, score(trace, needed, run, baseline)) for name, about, run in runs
        ),
        notes=_notes(rule, needed, mappings, service),
    )


def _within(rule: ScalingRule, settings: Settings) -> ScalingRule:
    least = rule.spec.replicas.min if settings.least is None else settings.least
    most = rule.spec.replicas.max if settings.most is None else settings.most
    if least < 0 or most < 1 or least > most:
        raise SimulationError(f"from {least} to {most} replicas there is no room: min must not be above max")
    replicas = rule.spec.replicas.model_copy(update={"min": least, "max": most})
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"replicas": replicas})})


def _notes(
    rule: ScalingRule, needed: list[int], mappings: tuple[Mapping, ...], service: Service
) -> tuple[str, ...]:
    spec, notes = rule.spec, []
    for signal, mapping in zip(spec.signals, mappings, strict=True):
        if mapping.meaning == "requests" and (signal.per_replica or 0.0) >= service.rate_per_s:
            notes.append(
                f"signal {signal.name} gives a replica {signal.per_replica:g}/s, all that it can serve or more: nothing is left "
                "for waves; that goes for the HPA too, which takes its target from there (see --hpa-target)"
            )
    if spec.paused or spec.dry_run:
        notes.append("the rule is paused or on a dry run: it changes nothing here either")
    if spec.admission is not None:
        notes.append("admission is not simulated: the trace's requests arrive whatever rate the rule grants")
    if spec.fallback is not None:
        notes.append("the fallback is not exercised: no metric goes missing here")
    if spec.forecast is not None:
        notes.append("the forecast is not exercised: a trace has no seasons before it")
    if any(entry.onsale is not None for entry in spec.schedule):
        notes.append("schedules by an onsale are not exercised: a trace has no onsale")
    if max(needed) > spec.replicas.max:
        notes.append(
            f"the peak needs {max(needed)} replicas, more than the maximum of {spec.replicas.max}: "
            "nobody can keep the objective there (see --max-replicas)"
        )
    return tuple(notes)
