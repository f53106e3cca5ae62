"""Cron lines: five fields, what they match, and precisely where a wrong one is wrong. Local times only: no zones here.

As in Vixie cron: where neither day of month nor day of week begins with `*`, either of them matching is enough;
otherwise both must match. Beyond Vixie's: `FRI-SUN` means what it says, and `10/15` is short for `10-59/15`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from rulebook.errors import RulebookError, shorten

MAX_LENGTH: Final = 200

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(
    r"(?:(\*)|([0-9]{1,3}|[A-Za-z]{3})(?:-([0-9]{1,3}|[A-Za-z]{3}))?)(?:/([0-9]{1,3}))?", re.ASCII
)
_WORD = re.compile(r"\S+")


class CronError(RulebookError, ValueError):
    """A text is not a cron line; the message names the field and the character, counted from 1."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    first: int = 0


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """What a cron line matches; days of the week count from Sunday, 0.

    `every` is true where minute or hour begin with `*`: such a line follows the wall clock through a change of the
    clocks, while one with a fixed time takes place once a day whatever the clocks do.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool
    every: bool

    def on(self, day: date) -> bool:
        """Whether the line takes place on a day."""
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month and by_week) if self.both_days else (by_month or by_week)


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """Parse five cron fields: minute, hour, day of month, month, day of week.

    Raises:
        CronError: it is not such a line.
    """
    if len(text) > MAX_LENGTH:
        raise CronError(f"must be at most {MAX_LENGTH} characters long")
    words = list(_WORD.finditer(text))
    if len(words) != len(_FIELDS):
        raise CronError("must be five cron fields: minute hour day month weekday")
    minutes, hours, days, months, weekdays = (
        _parse_field(field, word[0], word.start() + 1) for field, word in zip(_FIELDS, words, strict=True)
    )
    starred = [word[0].startswith("*") for word in words]
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        both_days=starred[2] or starred[4],
        every=starred[0] or starred[1],
    )


def _parse_field(field: _Field, text: str, column: int) -> set[int]:
    chosen: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            meant = f"must be *, a number, a range or a list of them, found {shorten(part)}"
            raise _wrong(field, column, meant)
        star, low, high, step = match.groups()
        first = field.least if star else _number(field, low, column)
        if star or (step and high is None):
            last = field.most
        else:
            last = first if high is None else _number(field, high, column + len(low) + 1, first)
        if last < first:
            raise _wrong(field, column, f"range {part} goes backwards")
        every = 1 if step is None else int(step)
        if every < 1:
            raise _wrong(field, column + part.index("/") + 1, "step must be at least 1")
        chosen.update(range(first, last + 1, every))
        column += len(part) + 1
    return chosen


def _number(field: _Field, text: str, column: int, after: int = 0) -> int:
    """Read a number or a name; `after` is the range's beginning: a Sunday at the end of a range is day 7."""
    if text[0].isdigit():
        number = int(text)
        if not field.least <= number <= field.most:
            raise _wrong(field, column, f"must be within {field.least} to {field.most}, found {number}")
        return number
    word = text.lower()
    if word not in field.names:
        known = f", or one of {', '.join(name.upper() for name in field.names)}" if field.names else ""
        raise _wrong(field, column, f"must be a number{known}, found {shorten(text)}")
    number = field.names.index(word) + field.first
    return 7 if word == "sun" and after > 0 else number


def _wrong(field: _Field, column: int, message: str) -> CronError:
    return CronError(f"{field.name} at character {column}: {message}")
