"""The JSON Schemas: up to date, every field explained, and of one mind with the models about the examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rulebook.schema import ANY, SCHEMAS, schema_text, stale_schemas, write_schemas
from rulebook.yamltree import parse_text

RULES = Path(__file__).parents[2] / "rules"
EXAMPLES = sorted((RULES / "examples").glob("*/*.yaml"))
KINDS = {schema.kind: json.loads(schema_text(name)) for name, schema in SCHEMAS.items()}


def test_the_schemas_in_the_repository_are_up_to_date() -> None:
    assert stale_schemas(RULES / "schema") == [], "run `tidegate rules schema --output rules/schema`"


def test_writing_makes_them_up_to_date(tmp_path: Path) -> None:
    assert len(stale_schemas(tmp_path / "new")) == len(SCHEMAS) + 1
    write_schemas(tmp_path / "new")
    assert stale_schemas(tmp_path / "new") == []
    (tmp_path / "new" / "onsale.json").write_text("{}")
    assert stale_schemas(tmp_path / "new") == ["onsale.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_every_model_is_explained(kind: str) -> None:
    schema = KINDS[kind]
    for name, model in {kind: schema, **schema["$defs"]}.items():
        assert model.get("description"), name
        for field, entry in model.get("properties", {}).items():
            assert entry.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("kind", KINDS)
def test_no_schema_names_a_field_of_python(kind: str) -> None:
    assert not re.search(r"\b\w+_s\b|_per_s\b|per_replica", json.dumps(KINDS[kind]))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_examples_are_right_by_their_schema(file: Path) -> None:
    nodes, problems = parse_text(file.read_text(), str(file))
    assert not problems
    for node in nodes:
        document = node.plain()
        schema = KINDS[document["kind"]]
        assert list(errors(document, schema, schema, "")) == []


@pytest.mark.parametrize(
    "file",
    [file for file in EXAMPLES if file.parent.name != "demo"],
    ids=lambda file: f"{file.parent.name}/{file.name}",
)
def test_the_examples_name_their_schema_for_editors(file: Path) -> None:
    first = file.read_text().split("\n", 1)[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match is not None
    schema = json.loads((file.parent / match[1]).read_text())
    kinds = {document["kind"] for document in YAML(typ="safe", pure=True).load_all(file.read_text())}
    assert kinds == {schema["title"]}


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("perReplica: 50/s", "perReplica: fast", "/spec/signals/0/perReplica"),
        ("perReplica: 50/s", "perReplicas: 50/s", "/spec/signals/0"),
        ("interval: 15s", "interval: 15", "/spec/interval"),
        ("mode: atLeast", "mode: atleast", "/spec/fallback"),
        ("kind: ScalingRule", "kind: Onsale", "/kind"),
        ("  replicas: {min: 2, max: 60}\n", "", "/spec"),
    ],
)
def test_a_schema_refuses_what_a_model_refuses(old: str, new: str, where: str) -> None:
    text = (RULES / "examples" / "web" / "rule.yaml").read_text()
    assert old in text
    (node,) = parse_text(text.replace(old, new), "x")[0]
    schema = KINDS["ScalingRule"]
    assert [path for path, _ in errors(node.plain(), schema, schema, "")] == [where]


def test_the_schema_of_any_document_asks_the_one_of_its_kind() -> None:
    schema = json.loads(schema_text(ANY))
    assert sorted(schema["properties"]["kind"]["enum"]) == sorted(KINDS)
    assert {branch["then"]["$ref"] for branch in schema["allOf"]} == set(SCHEMAS)


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """As much of JSON Schema as ours use; there is no validator among the dependencies."""
    if "$ref" in schema:
        yield from errors(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
        return
    for branch in schema.get("allOf", []):
        yield from errors(value, branch, root, path)
    for key in ("anyOf", "oneOf"):
        found = [list(errors(value, branch, root, path)) for branch in schema.get(key, [])]
        if found and all(found):
            yield path, key
            return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_a(value, kind) for kind in kinds):
        yield path, f"is no {kinds}"
        return
    if "const" in schema and value != schema["const"]:
        yield path, "const"
    if "enum" in schema and value not in schema["enum"]:
        yield path, "enum"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield path, "pattern"
    if is_a(value, "number"):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield path, "bounds"
        if value <= schema.get("exclusiveMinimum", value - 1):
            yield path, "bounds"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from errors(item, schema.get("items", {}), root, f"{path}/{index}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        unknown = value.keys() - known.keys()
        if set(schema.get("required", [])) - value.keys():
            yield path, "required"
        if unknown and schema.get("additionalProperties") is False:
            yield path, "additionalProperties"
        for key, item in value.items():
            below = known.get(key, schema.get("additionalProperties") or {})
            yield from errors(item, below if isinstance(below, dict) else {}, root, f"{path}/{key}")


def is_a(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    types: dict[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "null": type(None)
    }  # fmt: skip
    return kind in types and isinstance(value, types[kind])
