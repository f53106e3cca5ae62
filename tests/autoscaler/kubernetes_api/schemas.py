"""What the built-in kinds are made of: the published JSON schemas of Kubernetes 1.34, as decoder and as guide of merges.

A body is decoded as the real server decodes it: a field of the wrong type is refused (400), an unknown one is dropped with a
warning, or refused under `fieldValidation=Strict`. What a field's value must be is another module's business (`validation`).
The schemas come from the package `kubernetes-validate`; custom resources have none here, and keep what they are given.
"""

from __future__ import annotations

import functools
import json
import re
from importlib.resources import files
from typing import Any

from tests.autoscaler.kubernetes_api.statuses import Json, bad_request

VERSION = "v1.34.0"
_REF = "#/$defs/"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_GO = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "bool",
    "array": "array",
    "object": "object",
}


@functools.cache
def definitions() -> Json:
    folder = files("kubernetes_validate").joinpath("kubernetes-json-schema", f"{VERSION}-local")
    found: Json = json.loads(folder.joinpath("_definitions.json").read_text())["$defs"]
    return found


def resolve(schema: Json) -> Json:
    """Follow a reference; what stands beside it (merge keys) stays."""
    name = schema.get("$ref")
    if name is None:
        return schema
    return {**definitions()[name.removeprefix(_REF)], **{k: v for k, v in schema.items() if k != "$ref"}}


@functools.cache
def schema_of(name: str) -> Json:
    """Return the schema of a type by its long name, `io.k8s.api.apps.v1.Deployment`."""
    return resolve({"$ref": _REF + name})


def decode(kind: str, version: str, schema: Json, body: Json) -> tuple[Json, list[str]]:
    """Return the object without unknown fields and without nulls, and the unknown fields.

    Raises:
        ApiError: a value's type cannot be that of its field (400).
    """
    unknown: list[str] = []

    def walk(value: Any, schema: Json, path: str) -> Any:
        schema = resolve(schema)
        if value is None or "oneOf" in schema or "type" not in schema:
            return value
        wanted = schema["type"]
        names = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name != "null"]
        if not any(_is(value, name) for name in names):
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal '
                f"{_go_name(value)} into Go struct field {kind}.{path} of type {names[0]}"
            )
        if schema.get("format") == "date-time" and not _TIME.match(value):
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: parsing time "{value}" as '
                '"2006-01-02T15:04:05Z07:00": cannot parse it'
            )
        if isinstance(value, list):
            return [walk(item, schema.get("items", {}), f"{path}[{i}]") for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        properties, others = schema.get("properties"), schema.get("additionalProperties")
        kept: Json = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if properties is not None and name in properties:
                kept[name] = walk(item, properties[name], inner)
            elif properties is None:
                kept[name] = walk(item, others if isinstance(others, dict) else {}, inner)
            else:
                unknown.append(inner)
        return {name: item for name, item in kept.items() if item is not None}

    decoded = walk(body, schema, "")
    if not isinstance(decoded, dict):
        raise bad_request("the object provided is unrecognized (must be of type object)")
    return decoded, unknown


def _is(value: object, name: str) -> bool:
    match name:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _go_name(value: object) -> str:
    for name in ("boolean", "integer", "string", "array", "number"):
        if _is(value, name):
            return _GO[name]
    return "object"
