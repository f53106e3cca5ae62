"""What can be wrong with documents: one problem a place, all of them carried by one error.

This module knows neither YAML nor pydantic; `loading` fills these values, whoever prints them needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_FOUND = 80


class RulebookError(Exception):
    """Everything this package raises on purpose."""


class UnitError(RulebookError, ValueError):
    """A text is not the rate, duration, percentage or quantity that it should be."""


class FormulaError(RulebookError, ValueError):
    """A formula does not compile, uses what is not allowed, or did not yield a number."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document, and where.

    `line` and `column` count from 1, and are 0 and not told where the file as a whole is meant; `path` is the field's path
    in the document (`spec.signals[0].perReplica`), empty where there is none; `found` is what stands
    there, shortened; `suggestion` is the word that was probably meant.
    """

    file: str
    line: int
    column: int
    path: str
    found: str | None
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """One line: `file:line:column: path: message, found ...; did you mean ...?`."""
        path = f"{self.path}: " if self.path else ""
        found = f", found {self.found}" if self.found is not None else ""
        suggestion = f"; did you mean {self.suggestion}?" if self.suggestion is not None else ""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {path}{self.message}{found}{suggestion}"


class DocumentErrors(RulebookError):  # it carries several
    """Documents could not be loaded; carries every problem of all files, in order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort the problems by place, and drop what is said twice."""
        self.problems: tuple[Problem, ...] = tuple(
            sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shorten(value: object) -> str:
    """Show a found value in at most `MAX_FOUND` characters, foreign text included."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python is willing to print
        return "a huge number"
    return text if len(text) <= MAX_FOUND else text[: MAX_FOUND - 3] + "..."
