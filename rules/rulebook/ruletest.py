"""The `RuleTest` document: input series for a rule's signals, and the decisions that are expected at given times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, Discriminator, Field, Tag, model_validator

from rulebook.document import Count, DnsLabel, Document, Named, ProblemList, Some
from rulebook.rule import ScalingRule
from rulebook.series import Series
from rulebook.signals import SignalName
from rulebook.units import Duration, Rate

MAX_ROUNDS: Final = 50_000
DEFAULT_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class CrowdSeries(Document):
    """The crowd before an onsale: arrivals in buyers/s, the backlog, the buyers in the shop, and the opening."""

    arrivals: Series = "0x99999"
    backlog: Series
    sessions: Series | None = None
    opens: AwareDatetime | None = None


class Expectation(Document):
    """What the last decision up to `at_s` is to be; what is left out is not compared."""

    at_s: Duration = Field(alias="at")
    replicas: Count | None = None
    bound_by: str | None = Field(default=None, min_length=1)
    reason: str | None = Field(default=None, min_length=1)
    recommendations: dict[SignalName, Count | None] = Field(default_factory=dict)
    ready: Count | None = None
    rate_per_s: Rate | None = Field(default=None, alias="rate")
    capacity: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        if not self.model_fields_set - {"at_s"}:
            problems.add("expects nothing: name at least replicas or boundBy")
        problems.raise_any()
        return self


def _input_tag(value: object) -> str:
    return "input:crowd" if isinstance(value, dict | CrowdSeries) else "input:series"


SignalInput = Annotated[
    Annotated[Series, Tag("input:series")] | Annotated[CrowdSeries, Tag("input:crowd")],
    Discriminator(_input_tag),
]


class RuleTestSpec(Document):
    """One run of one rule."""

    rule: DnsLabel
    start: AwareDatetime = DEFAULT_START
    every_s: Duration | None = Field(default=None, alias="every", gt=0)
    replicas: Count
    start_up_s: Duration = Field(default=0.0, alias="startUp")
    ready: Series | None = None
    signals: dict[SignalName, SignalInput] = Field(default_factory=dict)
    onsales: dict[DnsLabel, CrowdSeries] = Field(default_factory=dict)
    forecast: Series | None = None
    expect: Annotated[tuple[Expectation, ...], Some] = Field(max_length=1000)

    @property
    def last_s(self) -> float:
        """When the last expectation is due."""
        return max(expectation.at_s for expectation in self.expect)


class RuleTest(Named):
    """A unit test of a rule."""

    kind: Literal["RuleTest"] = "RuleTest"
    spec: RuleTestSpec


def check_against(test: RuleTest, rule: ScalingRule | None) -> list[tuple[tuple[str | int, ...], str]]:
    """List what is wrong with a test, given the rule that it names."""
    spec = test.spec
    if rule is None:
        return [(("spec", "rule"), f"there is no ScalingRule {spec.rule} among the documents")]
    problems: list[tuple[tuple[str | int, ...], str]] = []
    by_name = {signal.name: signal for signal in rule.spec.signals}
    listed = f"is none of the signals ({', '.join(by_name)})"
    for name, given in spec.signals.items():
        path = ("spec", "signals", name)
        if name not in by_name:
            problems.append((path, f"{name} {listed}"))
        elif (by_name[name].onsale is not None) != isinstance(given, CrowdSeries):
            crowd = "needs a crowd: {backlog: ..., arrivals: ...}"
            problems.append((path, "needs a series" if isinstance(given, CrowdSeries) else crowd))
    for index, expectation in enumerate(spec.expect):
        here: tuple[Any, ...] = ("spec", "expect", index)
        if expectation.at_s / rule.spec.interval_s > MAX_ROUNDS:
            problems.append(((*here, "at"), f"is more than {MAX_ROUNDS} intervals after the start"))
        problems += [
            ((*here, "recommendations", name), f"{name} {listed}")
            for name in expectation.recommendations
            if name not in by_name
        ]
        if rule.spec.admission is None and (expectation.rate_per_s, expectation.capacity) != (None, None):
            problems.append((here, f"rule {rule.name} has no admission to expect a rate or a capacity of"))
    if spec.forecast is not None and rule.spec.forecast is None:
        problems.append((("spec", "forecast"), f"rule {rule.name} has no forecast"))
    return problems


__all__ = ["CrowdSeries", "Expectation", "RuleTest", "RuleTestSpec", "check_against"]
