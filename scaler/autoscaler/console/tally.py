"""How often the audit log tells what people can bring about at will: at once, then once a minute with how often it was. Pure.

So whoever guesses tokens by the thousand gets a line a minute, and whoever does it from many addresses gets not many more: beyond
so many that are told apart, all others share one line. Times are monotonic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from autoscaler.console.entries import Entry

EVERY_S: Final = 60.0
TOLD_APART: Final = 30
"""How many lines may be counted side by side."""
OTHERS: Final = "other addresses"
_TOO_MANY: Final = "too many at once to be told apart"

_Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class _Line:
    """What was told, and what has come since; `due_s` is when that is told too, or the line is forgotten."""

    due_s: float
    last: Entry
    since: int = 0


class Tally:
    """Counts what is alike, and says what is to be written of it."""

    def __init__(self, told_apart: int = TOLD_APART) -> None:
        self._told_apart = told_apart
        self._lines: dict[_Key, _Line] = {}

    def take(self, entry: Entry, now_s: float) -> Entry | None:
        """Count an entry; returns what is to be written now, None where it is only counted."""
        key = _key(entry)
        if key not in self._lines and len(self._lines) >= self._told_apart:
            entry = replace(
                entry, who="", what="anything", about="", detail="", outcome=_TOO_MANY, client=OTHERS
            )
            key = (OTHERS,)
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = _Line(now_s + EVERY_S, entry)
            return entry
        line.last, line.since = entry, line.since + 1
        return None

    def due(self, now_s: float) -> list[Entry]:
        """Return what has been counted for a minute and is to be written now; infinity returns all."""
        told = []
        for key, line in list(self._lines.items()):
            if now_s < line.due_s:
                continue
            if line.since == 0:
                del self._lines[key]
                continue
            told.append(replace(line.last, times=line.since))
            line.since, line.due_s = 0, now_s + EVERY_S
        return told


def _key(entry: Entry) -> _Key:
    """Return what makes entries alike; what somebody could choose without end is left out, of a stranger all but the address."""
    if not entry.who:
        return (entry.what, entry.client)
    return (entry.what, entry.client, entry.who, entry.outcome)
