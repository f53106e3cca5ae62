"""YAML text to a tree of nodes that know their line and column, with limits that hold against hostile text.

Built on ruamel.yaml's events rather than its constructors: nothing is constructed that the text names, times stay
text, and reading stops at the first limit that is passed, however much text there still is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from rulebook.errors import Problem, shorten

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 24
MAX_DIGITS: Final = 18
MAX_LINE: Final = 16_384  # ruamel takes quadratic time for some long lines
MAX_PROBLEMS: Final = 100

Path: TypeAlias = tuple[str | int, ...]

_LONG_LINE = re.compile(rf"[^\r\n]{{{MAX_LINE + 1}}}")
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(slots=True)
class Node:
    """A value in a document; line and column count from 1. A mapping's keys have a place of their own."""

    line: int
    column: int
    scalar: str | int | float | bool | None = None
    items: list[Node] | None = None
    entries: dict[str, Node] | None = None
    key_places: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Any:
        """Give the value as plain Python."""
        if self.entries is not None:
            return {key: node.plain() for key, node in self.entries.items()}
        if self.items is not None:
            return [node.plain() for node in self.items]
        return self.scalar


class _Refused(Exception):  # a way out, not an error of anyone's
    def __init__(self, message: str, event: Event, found: str | None = None) -> None:
        super().__init__(message)
        self.message, self.found = message, found
        self.line, self.column = event.start_mark.line + 1, event.start_mark.column + 1


def parse_text(text: str, file: str) -> tuple[list[Node], list[Problem]]:
    """Read all documents of a text; empty ones are left out. After a syntax error, those before it are still given."""
    reader = _Reader(file)
    long_line = _LONG_LINE.search(text)
    if long_line is not None:
        number = text.count("\n", 0, long_line.start()) + 1
        message = f"is a line of more than {MAX_LINE} characters"
        return [], [Problem(file, number, MAX_LINE + 1, "", None, message)]
    try:
        reader.read(iter(YAML(typ="safe", pure=True).parse(text)))
    except _Refused as refused:
        reader.problems.append(
            Problem(file, refused.line, refused.column, "", refused.found, refused.message)
        )
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        reader.problems.append(Problem(file, line, column, "", None, "holds a character that YAML forbids"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        reader.problems.append(Problem(file, line, column, "", None, f"is not YAML: {what}"))
    except (
        Exception
    ) as error:  # ruamel lets plain errors of any class escape on malformed directives and escapes
        reader.problems.append(Problem(file, 1, 1, "", None, f"is not YAML: {str(error)[:200]}"))
    return reader.documents, reader.problems


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.documents: list[Node] = []
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def read(self, events: Iterator[Event]) -> None:
        for event in events:
            if isinstance(event, DocumentStartEvent):
                self._anchors = {}
                self._count(1, event)
            elif not isinstance(event, DocumentEndEvent) and hasattr(event, "anchor"):
                node = self._node(event, events, 0)
                if node.plain() is not None:
                    self.documents.append(node)

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > MAX_DEPTH:
            raise _Refused(f"is nested more than {MAX_DEPTH} deep", event)
        if isinstance(event, AliasEvent):
            return self._alias(event, line, column)
        self._count(1, event)
        tag, anchor = getattr(event, "tag", None), getattr(event, "anchor", None)
        if tag is not None:
            raise _Refused("must not use tags", event, shorten(str(tag)))
        if isinstance(event, ScalarEvent):
            node = Node(line, column, self._scalar(event))
        elif isinstance(event, SequenceStartEvent):
            node = Node(line, column, items=[])
            self._fill_sequence(node, events, depth)
        else:
            node = Node(line, column, entries={})
            self._fill_mapping(node, events, depth)
        if anchor is not None:
            self._anchors[str(anchor)] = node
        return node

    def _fill_sequence(self, node: Node, events: Iterator[Event], depth: int) -> None:
        assert node.items is not None  # noqa: S101  # a sequence node was made for this
        for event in events:
            if isinstance(event, SequenceEndEvent):
                return
            item = self._node(event, events, depth + 1)
            node.items.append(item)
            node.size += item.size

    def _fill_mapping(self, node: Node, events: Iterator[Event], depth: int) -> None:
        assert node.entries is not None  # noqa: S101  # a mapping node was made for this
        for event in events:
            if isinstance(event, MappingEndEvent):
                return
            if not isinstance(event, ScalarEvent):
                raise _Refused("a field's name must be plain text", event)
            self._count(1, event)
            if len(self.problems) >= MAX_PROBLEMS:
                raise _Refused("holds too many mistakes to go on", event)
            key = str(event.value)
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            value = self._node(next(events), events, depth + 1)
            if key == "<<":
                self.problems.append(
                    Problem(self.file, *place, "", None, "merge keys (<<) are not supported")
                )
            elif key in node.entries:
                text = f"field {shorten(key)} is given twice, first in line {node.key_places[key][0]}"
                self.problems.append(Problem(self.file, *place, "", None, text))
            else:
                node.entries[key], node.key_places[key] = value, place
                node.size += value.size + 1

    def _alias(self, event: AliasEvent, line: int, column: int) -> Node:
        anchored = self._anchors.get(str(event.anchor))
        if anchored is None:
            raise _Refused("refers to an anchor that is not there", event, f"*{str(event.anchor)[:40]}")
        self._count(
            anchored.size, event
        )  # an alias counts as much as what it stands for: no small text grows large
        return Node(
            line,
            column,
            anchored.scalar,
            anchored.items,
            anchored.entries,
            anchored.key_places,
            anchored.size,
        )

    def _count(self, nodes: int, event: Event) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Refused(f"holds more than {MAX_NODES} values", event)

    def _scalar(self, event: ScalarEvent) -> str | int | float | bool | None:
        text = str(event.value)
        if not event.implicit[0]:  # quoted, or a block: text, whatever it looks like
            return text
        if len(text) > 40:
            if _INTEGER.fullmatch(text):
                raise _Refused("is too large a number", event, shorten(text))
            return text
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
            return _TRUE.fullmatch(text) is not None
        if _INTEGER.fullmatch(text):  # not 0x20: here that is a series of zeros, and nobody's number
            if len(text.lstrip("+-0")) > MAX_DIGITS:
                raise _Refused("is too large a number", event, shorten(text))
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _NOT_FINITE.fullmatch(text):
            raise _Refused("is not a number that can be used", event, text)
        return text
