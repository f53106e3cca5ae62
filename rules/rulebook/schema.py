"""JSON Schemas of the documents, made from the models, for editors that complete and explain (`# yaml-language-server:`).

Written as draft 7, which every editor knows. What a schema cannot say (which fields go together), loading checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rulebook.descriptions import DESCRIPTIONS
from rulebook.document import API_VERSION, Named
from rulebook.onsale import Onsale
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule
from rulebook.ruletest import RuleTest
from rulebook.units import UNIT_KEY, format_duration, format_number, format_percent, format_rate

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
ANY: Final = "tidegate.json"
"""The schema of files with documents of several kinds."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema's kind and model."""

    kind: str
    model: type[Named]


SCHEMAS: Final[Mapping[str, Schema]] = {
    "onsale.json": Schema("Onsale", Onsale),
    "process-pool.json": Schema("ProcessPool", ProcessPool),
    "rule-test.json": Schema("RuleTest", RuleTest),
    "scaling-rule.json": Schema("ScalingRule", ScalingRule),
}

_FORMATS: Final[Mapping[str, Callable[[float], str]]] = {
    "duration": format_duration,
    "rate": format_rate,
    "percent": format_percent,
    "number": format_number,
}
# What pydantic writes for constraints on values that it did not parse itself, and titles that only repeat the name.
_DROPPED: Final = frozenset({"gt", "ge", "lt", "le", "title"})
_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def schema_text(name: str) -> str:
    """Give a schema file's text.

    Raises:
        KeyError: there is no schema of that name.
    """
    content = _combined() if name == ANY else _single(SCHEMAS[name])
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[str]:
    """Write all schemas to a folder; gives their names."""
    names = [*SCHEMAS, ANY]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(schema_text(name), encoding="utf-8")
    return names


def stale_schemas(folder: Path) -> list[str]:
    """Name the schemas of a folder that are missing or not up to date."""
    return [name for name in (*SCHEMAS, ANY) if _read(folder / name) != schema_text(name)]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _combined() -> dict[str, Any]:
    kinds = [schema.kind for schema in SCHEMAS.values()]
    return {
        "$schema": DIALECT,
        "title": "A document of Tidegate",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"enum": kinds}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": schema.kind}}, "required": ["kind"]},
                "then": {"$ref": name},
            }
            for name, schema in SCHEMAS.items()
        ],
    }


def _single(schema: Schema) -> dict[str, Any]:
    made = schema.model.model_json_schema(by_alias=True, mode="validation")
    definitions = made.pop("$defs", {})
    root = _model(schema.kind, made)
    root["required"] = ["apiVersion", "kind", *root.get("required", [])]
    described = {name: _model(name, definition) for name, definition in sorted(definitions.items())}
    return {"$schema": DIALECT, "title": schema.kind, **root, "$defs": described}


def _model(name: str, made: dict[str, Any]) -> dict[str, Any]:
    words = DESCRIPTIONS.get(name, {})
    summary = words.get("") or str(made.get("description", "")).split("\n", 1)[0]
    properties = {
        field: _described(_cleaned(entry), words.get(field, ""))
        for field, entry in made.get("properties", {}).items()
    }
    return {**_cleaned({**made, "properties": {}}), "description": summary, "properties": properties}


def _described(entry: dict[str, Any], description: str) -> dict[str, Any]:
    if "$ref" in entry:  # draft 7 ignores what stands beside a reference
        entry = {"allOf": [{"$ref": entry.pop("$ref")}], **entry}
    return {"description": description, **entry} if description else entry


def _cleaned(entry: Any) -> Any:
    """Drop what means nothing in a schema, and write defaults as people write them."""
    if isinstance(entry, list):
        return [_cleaned(item) for item in entry]
    if not isinstance(entry, dict):
        return entry
    unit = entry.get(UNIT_KEY) or next(
        (part[UNIT_KEY] for part in entry.get("anyOf", []) if UNIT_KEY in part), None
    )
    cleaned = {}
    for key, value in entry.items():
        if key in _DROPPED or key == UNIT_KEY or (key == "default" and value is None):
            continue
        if unit is not None and key in _BOUNDS:
            continue
        if key == "default" and unit is not None and isinstance(value, int | float):
            cleaned[key] = _FORMATS[unit](value)
        elif key == "default":
            cleaned[key] = value
        else:
            cleaned[key] = _cleaned(value)
    return cleaned
