"""A foreign document, field by field: what was looked at, what was not, and what is to be said about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rulebook.errors import DocumentErrors, Problem, shorten
from rulebook.validation import path_text
from rulebook.yamltree import Node, Path

_INTEGER = re.compile(r"[+-]?\d{1,10}")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was not carried over, or that a person should check; `path` is the field in the foreign document."""

    path: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.path}: {self.text}" if self.path else self.text


class Fields:
    """A mapping of a foreign document. Whoever takes a field is answerable for it; `close` remarks on all the others.

    Every method that reads raises DocumentErrors, with the place, where a field is not of the shape it must have.
    """

    def __init__(self, node: Node, file: str, path: Path, remarks: list[Remark]) -> None:
        """Wrap a mapping.

        Raises:
            DocumentErrors: it is none.
        """
        self._file, self._path, self._remarks, self._node = file, path, remarks, node
        if node.entries is None:
            raise self._wrong((), node, "must be a mapping of fields")
        self._entries = node.entries
        self._taken: set[str] = set()
        self._children: list[Fields] = []

    def __contains__(self, name: str) -> bool:
        """Whether a field is there, and not null."""
        return name in self._entries and self._entries[name].plain() is not None

    def text(self, name: str) -> str | None:
        """Take a scalar as text; numbers and flags are written out."""
        node = self._take(name)
        if node is None:
            return None
        if node.entries is not None or node.items is not None:
            raise self._wrong((name,), node, "must be a single value")
        if isinstance(node.scalar, bool):
            return "true" if node.scalar else "false"
        return str(node.scalar)

    def required(self, name: str) -> str:
        """Take a scalar that must be there."""
        text = self.text(name)
        if not text:
            raise self._wrong((name,), self._node, "is required, and missing")
        return text

    def whole(self, name: str) -> int | None:
        """Take a whole number, quoted or not."""
        text = self.text(name)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text):
            raise self._wrong((name,), self._entries[name], "must be a whole number")
        return int(text)

    def child(self, name: str) -> Fields | None:
        """Take a mapping; closing this closes it too."""
        node = self._take(name)
        if node is None:
            return None
        child = Fields(node, self._file, (*self._path, name), self._remarks)
        self._children.append(child)
        return child

    def each(self, name: str) -> Iterator[Fields]:
        """Take a list of mappings."""
        node = self._take(name)
        if node is None:
            return
        if node.items is None:
            raise self._wrong((name,), node, "must be a list")
        for index, item in enumerate(node.items):
            child = Fields(item, self._file, (*self._path, name, index), self._remarks)
            self._children.append(child)
            yield child

    def texts(self, name: str) -> list[str]:
        """Take a list of scalars."""
        node = self._take(name)
        if node is None:
            return []
        if node.items is None or any(
            item.entries is not None or item.items is not None for item in node.items
        ):
            raise self._wrong((name,), node, "must be a list of single values")
        return [str(item.plain()) for item in node.items]

    def pairs(self) -> dict[str, str]:
        """Take every field, each a scalar: labels and the like."""
        return {name: self.text(name) or "" for name in self._entries}

    def names(self) -> list[str]:
        """Name the fields that nobody took yet."""
        return [name for name in self._entries if name not in self._taken]

    def lose(self, name: str, why: str) -> None:
        """Take a field, if it is there, only to say that it is not carried over."""
        if name in self:
            self._taken.add(name)
            self.remark(f"not carried over: {why}{_says(self._entries[name])}", name)

    def remark(self, text: str, *below: str | int) -> None:
        """Say something about this mapping or a field of it."""
        self._remarks.append(Remark(path_text((*self._path, *below)), text))

    def refuse(self, message: str, *below: str) -> DocumentErrors:
        """Make the error for a field that makes the whole document impossible to convert."""
        return self._wrong(below, self._entries.get(below[0], self._node) if below else self._node, message)

    def close(self) -> None:
        """Remark on every field that nobody took, here and below."""
        for child in self._children:
            child.close()
        for name, node in self._entries.items():
            if name not in self._taken and node.plain() is not None:
                self.remark(f"not carried over: not known here{_says(node)}", name)

    def _take(self, name: str) -> Node | None:
        self._taken.add(name)
        return self._entries[name] if name in self else None

    def _wrong(self, below: tuple[str, ...], node: Node, message: str) -> DocumentErrors:
        found = None if node is self._node else shorten(node.plain())
        return DocumentErrors(
            [Problem(self._file, node.line, node.column, path_text((*self._path, *below)), found, message)]
        )


def _says(node: Node) -> str:
    """Quote a value, where it is one."""
    return f" (it says {shorten(node.scalar)})" if node.entries is None and node.items is None else ""
