"""Label and field selectors: their text forms, and what they match.

Sources: apimachinery `pkg/labels/selector.go` (grammar), `pkg/apis/meta/v1/helpers.go` (a LabelSelector as text, sorted by key).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.autoscaler.kubernetes_api.statuses import Json, bad_request

Matches: TypeAlias = Callable[[Json], bool]

_SET = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"\s*(?P<no>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


def labels_match(text: str) -> Matches:
    """Return a test of an object's labels.

    Raises:
        ApiError: the selector cannot be read (400).
    """
    tests = [_requirement(part, text) for part in _COMMA.split(text)] if text.strip() else []

    def matches(thing: Json) -> bool:
        labels = thing["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _requirement(part: str, whole: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, wanted = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda labels: labels.get(key) in wanted
        return lambda labels: labels.get(key) not in wanted
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        key = found["key"]
        if found["no"]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(f"unable to parse requirement: found '{part}' in '{whole}'")


def fields_match(text: str, known: tuple[str, ...]) -> Matches:
    """Return a test of an object's fields, of which a resource supports a few.

    Raises:
        ApiError: the selector cannot be read, or names another field (400).
    """
    tests: list[tuple[str, bool, str]] = []
    for part in filter(None, text.split(",")):
        found = re.match(r"(?P<key>[^!=]+)(?P<op>==|=|!=)(?P<value>.*)$", part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if found["key"] not in known:
            raise bad_request(f"field label not supported: {found['key']}")
        tests.append((found["key"], found["op"] != "!=", found["value"]))

    def matches(thing: Json) -> bool:
        return all((str(look(thing, key) or "") == value) is same for key, same, value in tests)

    return matches


def exact_name(text: str) -> str:
    """Return the name which a field selector asks for, or nothing: authorisation looks at it too."""
    found = re.match(r"metadata\.name==?([^,]+)$", text)
    return found[1] if found else ""


def look(thing: Any, path: str) -> Any:
    """Return what stands at a dotted path, None where nothing does."""
    for step in path.strip(".").split("."):
        if not isinstance(thing, dict):
            return None
        thing = thing.get(step)
    return thing


def as_text(selector: Json | None) -> str:
    """Write a LabelSelector in the form of a query parameter."""
    if not selector:
        return ""
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or []:
        key, operator = term["key"], term["operator"]
        values = ",".join(sorted(term.get("values") or []))
        text = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[operator]
        parts.append((key, text))
    return ",".join(text for _, text in sorted(parts))
