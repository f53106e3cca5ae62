"""From pydantic's validation errors to problems in words of the documents: where, what was found, what is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rulebook.document import PROBLEMS, Named
from rulebook.errors import Problem, shorten
from rulebook.units import FROM_DOCUMENT
from rulebook.yamltree import Node, Path

ModelT = TypeVar("ModelT", bound=Named)

_UNION_TAGS: Final = frozenset({"paused:flag", "paused:count", "input:series", "input:crowd"})
_BOUNDS: Final = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_MEANT: Final = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
    "dict_type": "must be a mapping",
    "timezone_aware": "needs an offset from UTC, such as +01:00",
    "datetime_type": "must be a time such as 2026-12-05T10:00:00+01:00",
    "datetime_parsing": "must be a time such as 2026-12-05T10:00:00+01:00",
    "datetime_from_date_parsing": "must be a time such as 2026-12-05T10:00:00+01:00",
    "datetime_object_invalid": "must be a time such as 2026-12-05T10:00:00+01:00",
    "string_pattern_mismatch": "must be a name in lower case: a-z, 0-9, '-' and '.'",
    "string_unicode": "must be text that can be written as UTF-8",
    "finite_number": "must be a finite number",
}


def validate(model: type[ModelT], node: Node, file: str) -> tuple[ModelT | None, list[Problem]]:
    """Check a document against its model; either the model, or at least one problem."""
    try:
        return model.model_validate(node.plain(), context={FROM_DOCUMENT: True}), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [problem for detail in details for problem in _problems(model, node, file, detail)]
        problems += [
            problem_at(node, file, path, message, found=_found(node, path))
            for path, message in model.hidden_problems(node.plain())
        ]
        return None, problems


def problem_at(node: Node, file: str, path: Path, message: str, **words: str | None) -> Problem:
    """Make a problem at a path of a document, at the nearest place that exists."""
    line, column, _ = _place(node, path)
    return Problem(file, line, column, path_text(path), words.get("found"), message, words.get("suggestion"))


def place_of(node: Node, path: Path) -> tuple[int, int]:
    """Line and column of a path of a document, or of the nearest place above it that exists."""
    line, column, _ = _place(node, path)
    return line, column


def path_text(path: Path) -> str:
    """Write a path as people do: `spec.signals[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text[:200]


def closest(word: str, words: Sequence[str]) -> str | None:
    """Find the word that was probably meant, whatever its case."""
    lowered = {candidate.lower(): candidate for candidate in words}
    matches = get_close_matches(word.lower()[:64], list(lowered), n=1, cutoff=0.6)
    return lowered[matches[0]] if matches else None


def _problems(model: type[BaseModel], node: Node, file: str, detail: ErrorDetails) -> Iterator[Problem]:
    kind, context = detail["type"], detail.get("ctx", {})
    path = _clean(node, detail["loc"])
    if kind == PROBLEMS:
        for below, message in context["problems"]:
            full = (*path, *below)
            yield problem_at(node, file, full, message, found=_found(node, full) if below else None)
        return
    if kind == "extra_forbidden":
        yield _unknown_field(model, node, file, path)
        return
    if kind == "missing":
        yield problem_at(node, file, path, "is required, and missing")
        return
    message, found, suggestion = _words(kind, context, detail)
    if kind in _BOUNDS:  # pydantic knows the parsed number; people wrote a text
        found = _found(node, path) or found
    yield problem_at(node, file, path, message, found=found, suggestion=suggestion)


def _words(kind: str, context: Mapping[str, Any], detail: ErrorDetails) -> tuple[str, str | None, str | None]:
    found: str | None = shorten(detail["input"])
    if kind == "value_error":
        message = str(context["error"])
        return message, None if ", found " in message else found, None
    if kind == "literal_error":
        expected = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        text = str(detail["input"])
        meant = f"one of {', '.join(expected)}" if len(expected) > 2 else " or ".join(expected)
        return f"must be {meant}", found, closest(text, expected)
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}", found, None
    if kind == "too_short":
        return f"must hold at least {context['min_length']}", "none", None
    if kind == "too_long":
        return f"must hold at most {context['max_length']}", str(context["actual_length"]), None
    if kind == "string_too_short":
        return "must not be empty", None, None
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters long", None, None
    return _MEANT.get(kind, detail["msg"]), found, None


def _unknown_field(model: type[BaseModel], node: Node, file: str, path: Path) -> Problem:
    known = _known_fields(model, path[:-1])
    word = str(path[-1])
    line, column = _key_place(node, path)
    suggestion = closest(word, known)
    message = "unknown field" if suggestion else f"unknown field (known: {', '.join(known)})"
    return Problem(file, line, column, path_text(path), None, message, suggestion)


def _known_fields(model: type[BaseModel], path: Path) -> list[str]:
    """Walk the models along a path, and list the fields of the one at its end, by their names in documents."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        fields = {info.alias or name: info for name, info in current.model_fields.items()}
        current = _model_in(fields[part].annotation) if part in fields else None
        if current is None:
            return []
    return sorted(info.alias or name for name, info in current.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _clean(node: Node, location: tuple[str | int, ...]) -> Path:
    """Drop from pydantic's location what names no field of the document: the tags of unions."""
    path: list[str | int] = []
    current: Node | None = node
    for part in location:
        below = _child(current, part)
        if below is None and part in _UNION_TAGS:
            continue
        path.append(part)
        current = below
    return tuple(path)


def _child(node: Node | None, part: str | int) -> Node | None:
    if node is None:
        return None
    if isinstance(part, int):
        return node.items[part] if node.items is not None and part < len(node.items) else None
    return (node.entries or {}).get(part)


def _place(node: Node, path: Path) -> tuple[int, int, bool]:
    """Line and column of a path's value; where it does not exist, of the nearest thing above it, by its key."""
    line, column, current = node.line, node.column, node
    for part in path:
        below = _child(current, part)
        if below is None:
            return line, column, False
        if below.entries is not None and isinstance(part, str):  # a mapping's own place is its first field
            line, column = current.key_places[part]
        else:
            line, column = below.line, below.column
        current = below
    return line, column, True


def _key_place(node: Node, path: Path) -> tuple[int, int]:
    current: Node | None = node
    for part in path[:-1]:
        current = _child(current, part)
    if current is not None and str(path[-1]) in current.key_places:
        return current.key_places[str(path[-1])]
    line, column, _ = _place(node, path)
    return line, column


def _found(node: Node, path: Path) -> str | None:
    current: Node | None = node
    for part in path:
        current = _child(current, part)
    return shorten(current.plain()) if current is not None else None
