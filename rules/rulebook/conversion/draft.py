"""The rule that comes out, while it is put together: plain fields in the order in which people read them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from rulebook.conversion.foreign import Fields
from rulebook.errors import UnitError
from rulebook.formula import RESERVED
from rulebook.units import format_number, parse_quantity

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9]+")
PLACEHOLDER: Final = "nothing"
"""The signal of a rule that has none: a rule must have one, and `vector(0)` asks for nothing."""


@dataclass(slots=True)
class Draft:
    """A rule in the making; `lost` counts the metrics that could not be carried over."""

    name: str
    target: dict[str, str]
    least: int
    most: int
    interval_s: int
    labels: dict[str, str] = field(default_factory=dict)
    signals: list[dict[str, Any]] = field(default_factory=list)
    behavior: dict[str, Any] | None = None
    schedule: list[dict[str, Any]] = field(default_factory=list)
    fallback: dict[str, Any] | None = None
    paused: bool | dict[str, int] = False
    lost: int = 0

    def add_signal(self, wanted: str, query: str, aim: dict[str, Any], **more: Any) -> str:
        """Add a signal under a name of its own, near the wanted one; gives the name."""
        name = self._free_name(wanted)
        self.signals.append({"name": name, "prometheus": {"query": query}, **aim, **more})
        return name

    def document(self) -> dict[str, Any]:
        """Give the document."""
        if not self.signals:
            self.add_signal(PLACEHOLDER, "vector(0)", {"perReplica": 1})
        spec: dict[str, Any] = {
            "target": self.target,
            "replicas": {"min": self.least, "max": self.most},
            "interval": f"{self.interval_s}s",
            "signals": self.signals,
        }
        optional = {"behavior": self.behavior, "schedule": self.schedule, "fallback": self.fallback}
        spec |= {key: value for key, value in optional.items() if value}
        if self.lost:
            spec["dryRun"] = True
        if self.paused is not False:
            spec["paused"] = self.paused
        metadata: dict[str, Any] = {"name": self.name}
        if self.labels:
            metadata["labels"] = self.labels
        return {"apiVersion": "tidegate.dev/v1", "kind": "ScalingRule", "metadata": metadata, "spec": spec}

    def _free_name(self, wanted: str) -> str:
        word = _NOT_IN_NAMES.sub("_", wanted).strip("_")[:50] or "metric"
        if (
            not word[0].isalpha()
            or word in RESERVED
            or word in {"in", "as", "if", "for", "true", "false", "null"}
        ):
            word = f"metric_{word}"
        taken = {signal["name"] for signal in self.signals}
        name, number = word, 2
        while name in taken:
            name, number = f"{word}_{number}", number + 1
        return name


def rule_name(metadata: Fields) -> str:
    """Take a document's name, as far as a rule may have it."""
    name = metadata.required("name")
    label = re.sub(r"[^a-z0-9-]+", "-", name.lower())[:63].strip("-") or "converted"
    if label != name:
        metadata.remark(f"the rule is called {label}, for its name must be a DNS label", "name")
    return label


def amount(fields: Fields, name: str) -> str | None:
    """Take a quantity, and write it as a plain number, which in our documents can be read in one way only.

    Raises:
        DocumentErrors: it is none, or not above 0.
    """
    text = fields.text(name)
    if text is None:
        return None
    try:
        value = parse_quantity(text)
    except UnitError as error:
        raise fields.refuse(str(error), name) from error
    if value <= 0:
        raise fields.refuse("must be above 0", name)
    return format_number(value)


def number(text: str) -> int | float:
    """Give a written number as YAML shall show it."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


def series(metric: str, matchers: list[tuple[str, str, str]]) -> str:
    """Write a PromQL selector; names that PromQL has no syntax for go by `__name__`."""
    shown = list(matchers)
    if not _METRIC.fullmatch(metric):
        shown.insert(0, ("__name__", "=", metric))
        metric = ""
    listed = ", ".join(f"{label}{operator}{json.dumps(value)}" for label, operator, value in shown)
    return f"{metric}{{{listed}}}" if listed else metric


def label_name(text: str) -> str:
    """Write a Kubernetes label as Prometheus would call it: `app.kubernetes.io/name` -> `app_kubernetes_io_name`."""
    word = re.sub(r"[^a-zA-Z0-9_]", "_", text)
    return word if word[:1].isalpha() or word[:1] == "_" else f"_{word}"


def selector(metric: Fields | None) -> list[tuple[str, str, str]]:
    """Take a metric's label selector."""
    chosen = metric.child("selector") if metric is not None else None
    if chosen is None:
        return []
    labels = chosen.child("matchLabels")
    matchers = [(label_name(name), "=", value) for name, value in (labels.pairs() if labels else {}).items()]
    for expression in chosen.each("matchExpressions"):
        key, operator = label_name(expression.required("key")), expression.required("operator")
        values = "|".join(
            re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", value) for value in expression.texts("values")
        )
        match operator:
            case "In":
                matchers.append((key, "=~", values))
            case "NotIn":
                matchers.append((key, "!~", values))
            case "Exists":
                matchers.append((key, "!=", ""))
            case "DoesNotExist":
                matchers.append((key, "=", ""))
            case _:
                raise expression.refuse("must be In, NotIn, Exists or DoesNotExist", "operator")
    return matchers
