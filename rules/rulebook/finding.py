"""A finding of the linter: right in itself, and yet probably not what was meant. Each has a code by which it can be silenced.

The annotation `tidegate.dev/lint-ignore: code, code` on a document silences findings about that document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rulebook.errors import Problem
from rulebook.loading import Loaded
from rulebook.yamltree import Path

IGNORE: Final = "tidegate.dev/lint-ignore"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, where, and under which code."""

    code: str
    problem: Problem

    def __str__(self) -> str:
        """One line: the problem's, and the code."""
        return f"{self.problem} [{self.code}]"


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding before it has a place: a path below the document."""

    code: str
    path: Path
    message: str


def place(remark: Remark, loaded: Loaded) -> Finding | None:
    """Give a remark its place; None where the document silences it."""
    ignored = loaded.document.metadata.annotations.get(IGNORE, "")
    if remark.code in {code.strip() for code in ignored.split(",")}:
        return None
    line, column = loaded.place(remark.path)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in remark.path).lstrip(".")
    return Finding(remark.code, Problem(loaded.file, line, column, path, None, remark.message))
