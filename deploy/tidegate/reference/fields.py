"""Every field of every kind of document, from the models and their descriptions: type, bounds, default, meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from rulebook.document import Document
from rulebook.schema import SCHEMAS, schema_text
from rulebook.units import MAX_DURATION_S, UNIT_KEY, format_duration, format_number, format_rate
from tidegate.reference.markdown import anchor, code, table

_LARGEST: Final = 2**31 - 1
_COUNTED: Final = 16_384
"""The length which every text of a document is held to: not worth a word at each field."""
_UNITS: Final[Mapping[str, str]] = {
    "duration": "[duration](#units)",
    "rate": "[rate](#units)",
    "percent": "[fraction](#units)",
    "number": "[amount](#units)",
}
_PATTERNS: Final[Mapping[str, str]] = {
    "^/": "path",
    "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$": "name",
}

UNITS: Final = (
    "## Units\n\nUnits are written out; a number without one is refused, so that nobody has to guess it.\n\n"
    + table(
        ("what", "written", "in words"),
        [
            ("duration", "`300ms`, `10s`, `2m`, `1h30m`, `7d`", "at most ten years"),
            ("rate", "`50/s`, `300/m`, `1000/h`", "so many a second, minute, hour"),
            ("fraction", "`10%`, `0.1`, `100m`", "as a percentage, or as the HPA writes it"),
            (
                "amount",
                "`5`, `2k`, `1Ki`, `50/s`, `300ms`, `20%`",
                "in the signal's own unit; durations count in seconds, percentages as fractions",
            ),
            (
                "time",
                "`2026-12-05T10:00:00+01:00`",
                "ISO 8601 with an offset from UTC",
            ),
            ("name", "`cactus-2026`", "a DNS label: a-z, 0-9 and -, at most 63"),
            ("path", "`/cactus`", "begins with /, without a query"),
            (
                "series",
                "`0+10x20`, `5x3`, `1 2 _ 4`, `stale`",
                "as in promtool's unit tests: from, step and times; the same and so many more; single samples, "
                "`_` for none; the series' end",
            ),
        ],
    )
)


@dataclass(frozen=True, slots=True)
class _Section:
    """One model at the place where it is met first, and where it is met `also`."""

    path: str
    model: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Names:
    """What a row has to know: the kind, the path of each model, its own model and which fields that requires."""

    kind: str
    places: Mapping[str, str]
    model: type[BaseModel]
    required: frozenset[str]


def kind_reference(file: str, level: int = 2) -> str:
    """Return the reference of one kind, named by its schema's file; headings begin at `level`.

    Raises:
        KeyError: there is no such schema.
    """
    kind = SCHEMAS[file].kind
    schema = json.loads(schema_text(file))
    raw = SCHEMAS[file].model.model_json_schema(by_alias=True, mode="validation")
    sections = list(_sections(kind, schema))
    places = {section.model: section.path for section in sections}
    models = {model.__name__: model for model in _models(Document)}
    parts = [f"{'#' * level} {kind}\n\n{schema['description']}\n"]
    for section in sections:
        made = schema if section.model == kind else schema["$defs"][section.model]
        raw_made = raw if section.model == kind else raw["$defs"][section.model]
        if section.model != kind:
            also = f" The same at {', '.join(map(code, section.also))}." if section.also else ""
            parts.append(f"\n{'#' * (level + 1)} {kind} {section.path}\n\n{made['description']}{also}\n")
        names = _Names(kind, places, models[section.model], frozenset(made.get("required", ())))
        rows = [
            _row(name, entry, raw_made["properties"][name], names)
            for name, entry in made["properties"].items()
        ]
        parts.append("\n" + table(("field", "type", "default", "meaning"), rows))
    return "".join(parts)


def _sections(kind: str, schema: dict[str, Any]) -> Iterator[_Section]:
    """Walk from the document down, each model once, a level's own fields before what is below them."""
    waiting, places = [("", kind)], {kind: [""]}
    found = []
    while waiting:
        path, model = waiting.pop(0)
        found.append((path, model))
        made = schema if model == kind else schema["$defs"][model]
        below = []
        for name, entry in made["properties"].items():
            for reference, suffix in _references(entry, ""):
                here = f"{path}.{name}{suffix}".lstrip(".")
                if reference not in places:
                    below.append((here, reference))
                places.setdefault(reference, []).append(here)
        waiting = [*below, *waiting]
    for path, model in found:
        yield _Section(path, model, tuple(places[model][1:]))


def _references(entry: Any, suffix: str) -> Iterator[tuple[str, str]]:
    if isinstance(entry, list):
        for part in entry:
            yield from _references(part, suffix)
    elif isinstance(entry, dict):
        if "$ref" in entry:
            yield entry["$ref"].rpartition("/")[2], suffix
        for key in ("allOf", "anyOf", "oneOf"):
            yield from _references(entry.get(key, []), suffix)
        yield from _references(entry.get("items", []), suffix + "[]")
        for part in entry.get("patternProperties", {}).values():
            yield from _references(part, suffix + ".NAME")


def _row(name: str, entry: dict[str, Any], raw: dict[str, Any], names: _Names) -> tuple[str, str, str, str]:
    kind = _type(raw, names)
    bounds = _bounds(name, raw, names.model)
    return (
        code(name),
        f"{kind}, {bounds}" if bounds else kind,
        "**required**" if name in names.required else _default(entry),
        entry["description"],
    )


def _type(raw: dict[str, Any], names: _Names) -> str:
    if UNIT_KEY in raw:
        return _UNITS[raw[UNIT_KEY]]
    if "$ref" in raw:
        path = names.places[raw["$ref"].rpartition("/")[2]]
        return f"[{code(path)}](#{anchor(f'{names.kind} {path}')})"
    for key in ("allOf", "anyOf", "oneOf"):
        if key in raw:
            parts = [_type(part, names) for part in raw[key] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts))
    if "const" in raw:
        return code(raw["const"])
    if "enum" in raw:
        return ", ".join(code(value) for value in raw["enum"])
    if raw.get("format") == "date-time":
        return "time"
    kind = raw.get("type")
    if kind == "array":
        return f"list of {_type(raw['items'], names)}"
    if kind == "object":
        patterns = raw.get("patternProperties", {})
        return f"map by name: {_type(next(iter(patterns.values())), names)}" if patterns else "map of texts"
    if kind == ["string", "number"]:
        return "[series](#units)"
    if kind == "string":
        return _PATTERNS.get(raw.get("pattern", ""), "text")
    return {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}[kind or ""]


def _bounds(name: str, raw: dict[str, Any], model: type[BaseModel]) -> str:
    """Say what a value must keep to, as far as it is more than its type says."""
    field = next(field for own, field in model.model_fields.items() if name in (field.alias, own))
    plain = next((part for part in raw.get("anyOf", ()) if part.get("type") != "null"), raw)
    above = _largest(*(constraint.gt for constraint in field.metadata if isinstance(constraint, Gt)))
    least = _largest(
        *(constraint.ge for constraint in field.metadata if isinstance(constraint, Ge)), plain.get("minimum")
    )
    most = _smallest(
        *(constraint.le for constraint in field.metadata if isinstance(constraint, Le)), plain.get("maximum")
    )
    below = _smallest(*(constraint.lt for constraint in field.metadata if isinstance(constraint, Lt)))
    said = []
    unit = plain.get(UNIT_KEY)
    if above is not None:
        said.append(f"more than {_written(above, unit)}")
    elif least:
        said.append(f"at least {_written(least, unit)}")
    if below is not None:
        said.append(f"less than {_written(below, unit)}")
    elif most is not None and most not in {_LARGEST, MAX_DURATION_S}:
        said.append(f"at most {_written(most, unit)}")
    if plain.get("maxItems"):
        said.append(f"at most {plain['maxItems']}")
    if plain.get("type") == "string" and plain.get("maxLength", _COUNTED) < _COUNTED:
        said.append(f"at most {plain['maxLength']} characters")
    return ", ".join(said)


def _largest(*values: Any) -> float | None:
    given = [float(value) for value in values if value is not None]
    return max(given) if given else None


def _smallest(*values: Any) -> float | None:
    given = [float(value) for value in values if value is not None]
    return min(given) if given else None


def _written(value: float, unit: str | None) -> str:
    if unit == "duration" and value:
        days = value / 86400
        return code(f"{days:.0f}d" if days > 1 and days.is_integer() else format_duration(value))
    if unit == "rate" and value:
        return code(format_rate(value))
    return format_number(value)


def _default(entry: dict[str, Any]) -> str:
    default = entry.get("default")
    if default in (None, []):
        return ""
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, list):
        return ", ".join(code(value) for value in default)
    return code(default)


def _models(model: type[Document]) -> Iterator[type[Document]]:
    for below in model.__subclasses__():
        yield below
        yield from _models(below)
