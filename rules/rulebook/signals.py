"""The signals of a rule: where a metric is read, and what it means in replicas. Reading and deciding happen elsewhere."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from rulebook.document import DnsLabel, Document, ProblemList, Some, UrlPath
from rulebook.formula import RESERVED
from rulebook.onsale import HttpUrl
from rulebook.units import Amount, Duration

DEFAULT_OVER_S: Final = 30.0

OnMissing: TypeAlias = Literal["hold", "ignore", "zero", "fail"]

_SIGNAL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,62}")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,254}")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](-?[a-z0-9]){0,14}")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,254}")
_CEL_WORDS = frozenset(
    {"in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if"}
    | {"import", "let", "loop", "package", "namespace", "return", "var", "void", "while"}
)


def _check_signal_name(value: str) -> str:
    if not _SIGNAL_NAME.fullmatch(value):
        raise ValueError("must be a word of at most 63 letters, digits and '_', as formulas use it")
    if value in RESERVED or value in _CEL_WORDS:
        raise ValueError("is a word with a meaning of its own in formulas")
    return value


def _check_metric_name(value: str) -> str:
    if not _METRIC_NAME.fullmatch(value):
        raise ValueError("must be a metric's name")
    return value


def _check_port(value: object) -> int | str:
    """Take a port's number, or a name as Kubernetes has it (IANA_SVC_NAME, RFC 6335)."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return value
    if isinstance(value, str) and len(value) <= 15 and _PORT_NAME.fullmatch(value):
        return value
    raise ValueError("must be a port's number, or its name in the pod")


PortRef = Annotated[
    int | str,
    PlainValidator(_check_port),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "maxLength": 15, "pattern": "^[a-z0-9](-?[a-z0-9])*$"},
            ]
        }
    ),
]

SignalName = Annotated[
    str,
    AfterValidator(_check_signal_name),
    WithJsonSchema({"type": "string", "pattern": "^[a-zA-Z][a-zA-Z0-9_]{0,62}$"}),
]
MetricName = Annotated[str, AfterValidator(_check_metric_name)]


_QUOTED = re.compile(r"""#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def _check_brackets(value: str) -> str:
    """Accept a query whose brackets and quotes close: that much is certain without a Prometheus to ask.

    Raises:
        ValueError: they do not.
    """
    open_ones: list[str] = []
    for character in _QUOTED.sub("", value):
        if character in "([{":
            open_ones.append(character)
        elif character in _CLOSING and (not open_ones or open_ones.pop() != _CLOSING[character]):
            raise ValueError(f"has a {character} that closes nothing")
        elif character in "\"'`":
            raise ValueError(f"has a {character} that is not closed")
    if open_ones:
        raise ValueError(f"has a {open_ones[-1]} that is not closed")
    return value


PromQL = Annotated[str, Field(min_length=1), AfterValidator(_check_brackets)]


class PrometheusQuery(Document):
    """A PromQL query that gives one number; `freshness` one that gives the Unix time of the newest sample."""

    query: PromQL
    freshness: PromQL | None = None


class ExpositionQuery(Document):
    """A metric read from /metrics pages directly: those of the target's own replicas, or of `urls`.

    `port` says where a pod shows its page, by number or by name. Exactly one of `gauge`, `counter`, `histogram`. `over_s` is
    the window of a counter's rate and a histogram's quantile; `aggregate` says how the gauges of several pages become one
    number.
    """

    gauge: MetricName | None = None
    counter: MetricName | None = None
    histogram: MetricName | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    over_s: Duration = Field(default=DEFAULT_OVER_S, alias="over", gt=0, le=3600)
    quantile: float | None = Field(default=None, gt=0, lt=1)
    aggregate: Literal["sum", "avg", "max"] = "sum"
    path: UrlPath = "/metrics"
    port: PortRef | None = None
    urls: Annotated[tuple[HttpUrl, ...] | None, Some] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        named = [name for name in ("gauge", "counter", "histogram") if getattr(self, name) is not None]
        if len(named) != 1:
            problems.add("needs exactly one of gauge, counter, histogram")
        if self.histogram is not None and self.quantile is None:
            problems.add("a histogram needs a quantile, such as 0.95")
        if self.quantile is not None and self.histogram is None:
            problems.add("only goes with a histogram", "quantile")
        if self.gauge is not None and self.over_s != DEFAULT_OVER_S:
            problems.add("does not go with a gauge", "over")
        if self.gauge is None and self.aggregate != "sum":
            problems.add("only goes with a gauge", "aggregate")
        if self.port is not None and self.urls is not None:
            problems.add("does not go with urls, which have ports of their own", "port")
        for label in self.labels:
            if not _LABEL_NAME.fullmatch(label):
                problems.add("is not a label's name", "labels", label)
        problems.raise_any()
        return self


class OnsaleSignal(Document):
    """The crowd before an onsale, as the buyers/s which it takes to serve the backlog within `drain_within_s`.

    A pre-queue counts from `lead_s` before the opening on; None: as early as replicas and policies need.
    """

    name: DnsLabel
    drain_within_s: Duration = Field(alias="drainWithin", gt=0)
    lead_s: Duration | None = Field(default=None, alias="lead", ge=0)


class SignalSpec(Document):
    """One metric of a rule: a name, one source, and either an amount `per_replica` or a `target_value` for the whole."""

    name: SignalName
    prometheus: PrometheusQuery | None = None
    exposition: ExpositionQuery | None = None
    onsale: OnsaleSignal | None = None
    per_replica: Amount | None = Field(default=None, gt=0)
    target_value: Amount | None = Field(default=None, alias="target", gt=0)
    activate_above: Amount | None = Field(default=None, ge=0)
    max_age_s: Duration | None = Field(default=None, alias="maxAge", gt=0)
    on_missing: OnMissing = "hold"

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = ProblemList()
        sources = [name for name in ("prometheus", "exposition", "onsale") if getattr(self, name) is not None]
        if len(sources) != 1:
            problems.add("needs exactly one source: prometheus, exposition or onsale")
        if (self.per_replica is None) == (self.target_value is None):
            problems.add("needs exactly one of perReplica and target")
        elif self.onsale is not None and self.target_value is not None:
            problems.add("does not go with an onsale: write perReplica, in buyers/s", "target")
        problems.raise_any()
        return self

    @property
    def reference(self) -> float:
        """The amount the signal is compared with: a replica's share, or the target of the whole."""
        amount = self.per_replica if self.per_replica is not None else self.target_value
        assert amount is not None  # noqa: S101  # held by the validator above
        return amount
