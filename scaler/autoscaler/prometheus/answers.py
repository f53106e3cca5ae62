"""What an answer of the query API means to a rule: one number, or a reason why there is none. Pure.

A rule wants one number and nothing it has to guess at: no series, several of them, NaN, infinities, strings and ranges are all
missing, each with advice. An empty answer is never 0: whoever means 0 writes `or vector(0)`, or `onMissing: zero`.

A warning says that a part of the data could not be read (a store of Thanos, a remote read). A sum over a part is too low, and
scaling by it would take replicas from a shop in use; so partial data is missing too. Remarks of PromQL itself, which begin with
"PromQL", and `infos` leave the number as it is, and become the note.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from autoscaler.errors import brief
from rulebook.observation import Missing

Payload: TypeAlias = Mapping[str, Any]

_REMARK: Final = "PromQL"
_LABELS_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number, the moment it was evaluated for by the server's own clock (unix seconds), and remarks on it."""

    value: float
    evaluated_at_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One series over a range: unix seconds and values in order of time, all finite; and remarks on it."""

    points: tuple[tuple[float, float], ...]
    note: str = ""


def read_number(payload: Payload) -> Number | Missing:
    """Read a successful answer to an instant query."""
    note, partial = remarks_of(payload)
    if partial:
        return Missing(f"partial data: {partial}")
    try:
        kind, result = payload["data"]["resultType"], payload["data"]["result"]
        if kind == "vector":
            sample = only_one(result)
            if isinstance(sample, Missing):
                return sample
            if "value" not in sample:
                return Missing(
                    "a native histogram, where a number is needed: ask for histogram_quantile() or histogram_count()"
                )
            at_s, text = sample["value"]
        elif kind == "scalar":
            at_s, text = result
        elif kind == "string":
            return Missing("a string, where a number is needed")
        elif kind == "matrix":
            return Missing(
                "a range of values, where a number is needed: put rate() or max_over_time() round it"
            )
        else:
            return Missing(f"an answer of unknown type {brief(str(kind))}")
        value, evaluated_at_s = float(text), float(at_s)
    except (KeyError, TypeError, ValueError, AttributeError):
        return _malformed()
    if math.isnan(value):
        return Missing("NaN: nothing to divide by, or no observation in the window", answered=True)
    if math.isinf(value):
        return Missing(f"{'+' if value > 0 else '-'}Inf, no finite number", answered=True)
    if not math.isfinite(evaluated_at_s):
        return _malformed()
    return Number(value, evaluated_at_s, note)


def read_series(payload: Payload) -> Series | Missing:
    """Read a successful answer to a range query; NaN and infinities within it are gaps, as nothing at all is."""
    note, partial = remarks_of(payload)
    if partial:
        return Missing(f"partial data: {partial}")
    try:
        if payload["data"]["resultType"] != "matrix":
            return _malformed()
        found = only_one(payload["data"]["result"])
        if isinstance(found, Missing):
            return found
        points = [(float(at_s), float(text)) for at_s, text in found.get("values", ())]
    except (KeyError, TypeError, ValueError, AttributeError):
        return _malformed()
    kept = [(at_s, value) for at_s, value in points if math.isfinite(at_s) and math.isfinite(value)]
    if not kept:
        return Missing("empty: no finite number in this range")
    return Series(tuple(sorted(kept)), note)


def decode(body: bytes) -> Payload | None:
    """Decode an answer's body; None where it is no JSON, and empty where it is JSON of another kind."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else {}


def problem_of(status: int, content_type: str, payload: Payload | None) -> str | None:
    """Say why an answer of HTTP holds no result; None where it does."""
    if payload is not None and payload.get("status") == "error":
        kind, text = payload.get("errorType"), payload.get("error")
        return f"HTTP {status}, {brief(f'{kind}: {text}' if kind else str(text or 'no reason given'))}"
    if status in (401, 403):
        return f"HTTP {status}, access refused: see --prometheus-token-file or --prometheus-username"
    if status == 404:
        return "HTTP 404: there is no query API at this address; see --prometheus"
    if 300 <= status < 400:
        return f"HTTP {status}, sent elsewhere (to a login page?): give the address of the API itself"
    if status != 200:
        return f"HTTP {status}"
    if payload is None:
        return (
            f"not the answer of a Prometheus: {brief(content_type)} instead of JSON (a proxy's login page?)"
        )
    if payload.get("status") != "success":
        return "not the answer of a Prometheus: JSON, but without the fields of one"
    return None


def only_one(result: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | Missing:
    """Take the one series of a result, or say what is wrong with their number."""
    if len(result) == 1:
        return result[0]
    if not result:
        return Missing("empty: no series matches, or none has a sample of late", answered=True)
    label_sets = [series["metric"] for series in result]
    names = sorted({name for labels in label_sets for name in labels})
    differing = [name for name in names if len({labels.get(name) for labels in label_sets}) > 1]
    named = ", ".join(differing[:_LABELS_NAMED]) + (", ..." if len(differing) > _LABELS_NAMED else "")
    return Missing(
        f"{len(result)} series, where one number is needed; they differ in {named or 'nothing'}: "
        "put sum(), max() or avg() round the query"
    )


def remarks_of(payload: Payload) -> tuple[str, str]:
    """Split what the server remarks into a note, and what says that data is partial."""
    warnings = [str(text) for text in payload.get("warnings") or ()]
    remarks = [text for text in warnings if text.startswith(_REMARK)]
    partial = [text for text in warnings if not text.startswith(_REMARK)]
    if payload.get("isPartial") is True:  # VictoriaMetrics' word for it
        partial.append("not all stores answered")
    remarks += [str(text) for text in payload.get("infos") or ()]
    return brief("; ".join(remarks)) if remarks else "", brief("; ".join(partial)) if partial else ""


def _malformed() -> Missing:
    return Missing("not the answer of a Prometheus: JSON, but without the fields of one")
