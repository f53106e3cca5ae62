"""The `ScalingRule` document: what is scaled, by which signals, how fast, and how many buyers that lets in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from rulebook.document import (
    Count,
    DnsLabel,
    Document,
    FieldProblem,
    Flag,
    Named,
    PositiveCount,
    ProblemList,
    Some,
)
from rulebook.errors import FormulaError
from rulebook.formula import try_out, unknown_names
from rulebook.schedule import Fallback, Forecast, ScheduleEntry
from rulebook.signals import (
    ExpositionQuery,
    OnMissing,
    OnsaleSignal,
    PrometheusQuery,
    SignalName,
    SignalSpec,
)
from rulebook.units import Amount, Duration, Fraction, Rate


class TargetReference(Document):
    """What is scaled: anything with a `scale` subresource, or a ProcessPool."""

    api_version: str = Field(min_length=1, max_length=253)
    kind: str = Field(min_length=1, max_length=63)
    namespace: DnsLabel | None = None
    name: str = Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")

    def __str__(self) -> str:
        """As people write it: `Deployment shop/web`."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same thing: group, kind, namespace and name. The group's version does not."""
        return self.api_version.rpartition("/")[0], self.kind, self.namespace or "default", self.name


class ReplicaLimits(Document):
    """Never fewer, never more."""

    min: Count = 1
    max: PositiveCount

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if self.min > self.max:
            problems.add("must not be above max", "min")
        problems.raise_any()
        return self


class ScalingPolicy(Document):
    """HPA v2 HPAScalingPolicy: at most `value` pods, or percent of what was there, within `period_seconds`."""

    type: Literal["Pods", "Percent"]
    value: PositiveCount
    period_seconds: int = Field(strict=True, ge=1, le=1800)


class ScalingRules(Document):
    """HPA v2 HPAScalingRules, one direction; what is left out gets the HPA's defaults."""

    stabilization_window_seconds: int | None = Field(default=None, strict=True, ge=0, le=3600)
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    policies: Annotated[tuple[ScalingPolicy, ...] | None, Some] = Field(default=None, max_length=64)
    tolerance: Fraction | None = None


class Behavior(Document):
    """HPA v2 HorizontalPodAutoscalerBehavior."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class Paused(Document):
    """Paused at a fixed count; without one, at whatever the count is."""

    replicas: Count


class SlowSignal(Document):
    """The shop counts as slow while `signal` is above `above`, in the signal's own unit.

    `settle_s` is how long a change of the rate takes to show in the signal, about the length of a visit: so long each cut is
    left to work. None: one interval.
    """

    signal: SignalName
    above: Amount = Field(gt=0)
    settle_s: Duration | None = Field(default=None, alias="settle", gt=0, le=3600)


class RuleAdmission(Document):
    """How many buyers the target can take: so many a second, and so many sessions, for each ready replica."""

    onsale: DnsLabel
    per_ready_replica_per_s: Rate = Field(alias="perReadyReplica", gt=0)
    sessions_per_ready_replica: PositiveCount | None = None
    slow: SlowSignal | None = None


def _paused_tag(value: object) -> str:
    return "paused:count" if isinstance(value, dict | Paused) else "paused:flag"


class RuleSpec(Document):
    """One rule for one target."""

    target: TargetReference
    replicas: ReplicaLimits
    interval_s: Duration = Field(default=15.0, alias="interval", ge=0.5, le=3600)
    tolerance: Fraction = 0.1
    signals: Annotated[tuple[SignalSpec, ...], Some] = Field(max_length=64)
    decide: str | None = Field(default=None, min_length=1)
    behavior: Behavior | None = None
    schedule: tuple[ScheduleEntry, ...] = Field(default=(), max_length=256)
    forecast: Forecast | None = None
    fallback: Fallback | None = None
    admission: RuleAdmission | None = None
    dry_run: Flag = False
    paused: Annotated[
        Annotated[Flag, Tag("paused:flag")] | Annotated[Paused, Tag("paused:count")],
        Discriminator(_paused_tag),
    ] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        slow = self.admission.slow if self.admission is not None else None
        problems.extend(
            check_references(
                [signal.name for signal in self.signals],
                {signal.name for signal in self.signals if signal.onsale is not None},
                decide=self.decide,
                slow=None if slow is None else slow.signal,
                forecast=None if self.forecast is None else self.forecast.signal,
            )
        )
        for index, message in _port_problems(self.target, self.signals):
            problems.add(message, "signals", index, "exposition", "port")
        if self.forecast is not None and any(
            signal.name == self.forecast.signal and signal.per_replica is None for signal in self.signals
        ):
            problems.add(
                "must be a signal with perReplica: a load, which seasons bring back", "forecast", "signal"
            )
        problems.raise_any()
        return self

    def signal(self, name: str) -> SignalSpec:
        """Look a signal up by its name.

        Raises:
            KeyError: there is none.
        """
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(name)


class ScalingRule(Named):
    """What is scaled by which signals."""

    kind: Literal["ScalingRule"] = "ScalingRule"
    spec: RuleSpec

    @classmethod
    def hidden_problems(cls, raw: Mapping[str, Any]) -> list[FieldProblem]:
        """Check the references of a rule that failed elsewhere, as far as its names can be told."""
        spec = _mapping(raw.get("spec"))
        listed = spec.get("signals")
        signals = [_mapping(entry) for entry in listed] if isinstance(listed, list) else []
        names = [name for entry in signals if (name := _text(entry.get("name"))) is not None]
        if not names or len(names) < len(signals) or not all(name.isidentifier() for name in names):
            return []
        crowds = {entry["name"] for entry in signals if "onsale" in entry}
        problems = check_references(
            names,
            crowds,
            decide=_text(spec.get("decide")),
            slow=_text(_mapping(_mapping(spec.get("admission")).get("slow")).get("signal")),
            forecast=_text(_mapping(spec.get("forecast")).get("signal")),
        )
        return [(("spec", *path), message) for path, message in problems]


def check_references(
    names: Sequence[str], crowds: Set[str], *, decide: str | None, slow: str | None, forecast: str | None
) -> list[FieldProblem]:
    """List what is wrong with the signals' names and with everything that names a signal."""
    listed = f"is none of the signals ({', '.join(names)})"
    problems: list[FieldProblem] = [
        (("signals", index, "name"), f"{name} is already the name of another signal")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    if decide:
        problems += [(("decide",), message) for message in _formula_problems(decide, names, listed)]
    if slow is not None and slow not in names:
        problems.append((("admission", "slow", "signal"), f"{slow} {listed}"))
    elif slow in crowds:
        text = "must be a signal of the shop itself, not of the crowd before it"
        problems.append((("admission", "slow", "signal"), text))
    if forecast is not None and forecast not in names:
        problems.append((("forecast", "signal"), f"{forecast} {listed}"))
    return problems


def _port_problems(target: TargetReference, signals: Sequence[SignalSpec]) -> Iterator[tuple[int, str]]:
    """A pod's pages are all read at one port; a local replica has just one."""
    first: tuple[str, int | str] | None = None
    for index, signal in enumerate(signals):
        port = None if signal.exposition is None else signal.exposition.port
        if port is None:
            continue
        if target.kind == "ProcessPool":
            yield index, "does not go with a ProcessPool: each of its replicas has one port, which is read"
        elif first is not None and first[1] != port:
            yield index, f"must be {first[1]}, as in signal {first[0]}: a rule reads its pods at one port"
        first = first or (signal.name, port)


def _formula_problems(formula: str, names: Sequence[str], listed: str) -> list[str]:
    try:
        unknown = unknown_names(formula, names)
        if not unknown:
            try_out(formula, names)
    except FormulaError as error:
        return [str(error)]
    return [f"{name} {listed}" for name in unknown]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


__all__ = [
    "Behavior",
    "ExpositionQuery",
    "Fallback",
    "Forecast",
    "OnMissing",
    "OnsaleSignal",
    "Paused",
    "PrometheusQuery",
    "ReplicaLimits",
    "RuleAdmission",
    "RuleSpec",
    "ScalingPolicy",
    "ScalingRule",
    "ScalingRules",
    "ScheduleEntry",
    "SignalSpec",
    "SlowSignal",
    "TargetReference",
]
