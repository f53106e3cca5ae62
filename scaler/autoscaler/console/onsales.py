"""What the pages show of an onsale: the room's own answer put into the words of people who run sales. Pure.

The answer is another program's: what is missing or of another kind is shown as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoscaler.console.happenings import Grade
from autoscaler.console.views import Said, ago


@dataclass(frozen=True, slots=True)
class OnsaleView:
    """An onsale at a moment; rates in buyers a second, None is unknown."""

    name: str
    title: str
    phase: Said
    waiting: int | None
    released: int | None
    released_per_s: float | None
    rate_per_s: float | None
    rate_reason: str
    arrivals_per_s: float | None
    claimed_per_s: float | None
    sessions: int | None
    outstanding: int | None
    """Released, and neither come nor counted as no-shows yet; they take up capacity."""
    capacity: int | None
    no_shows: int | None
    late: int | None
    eta: str
    hold: str
    message: str
    ceiling_per_s: float | None
    """What operators have set; None where it is the document's."""
    stale: bool

    @property
    def share(self) -> int | None:
        """How much of the rate is used, in percent."""
        if not self.rate_per_s or self.released_per_s is None:
            return None
        return min(100, round(100 * self.released_per_s / self.rate_per_s))


def onsale_view(answer: Mapping[str, Any]) -> OnsaleView:
    """Read what the room answers about an onsale."""
    name = _text(answer.get("name"))
    snapshot, document, overrides = (
        _mapping(answer.get(key)) for key in ("snapshot", "document", "overrides")
    )
    titles = _mapping(_mapping(document.get("spec")).get("title"))
    waiting, rate = _whole(snapshot.get("waiting")), _number(snapshot.get("rate_per_s"))
    released_per_s = _number(snapshot.get("released_per_s"))
    # The snapshot is a copy, some moments old; what operators have set is read from the store at once.
    told = overrides if isinstance(answer.get("overrides"), dict) else snapshot
    hold = _text(told.get("hold"))
    stale = answer.get("stale") is True
    try:
        ceiling = float(_text(overrides.get("ops_rate")))
    except ValueError:
        ceiling = None
    return OnsaleView(
        name=name,
        title=_text(titles.get("en")) or next((_text(title) for title in titles.values()), "") or name,
        phase=_phase(_text(answer.get("phase")), hold=hold, stale=stale),
        waiting=waiting,
        released=_released(snapshot, waiting),
        released_per_s=released_per_s,
        rate_per_s=rate,
        rate_reason=_text(snapshot.get("rate_reason")),
        arrivals_per_s=_number(snapshot.get("arrivals_per_s")),
        claimed_per_s=_number(snapshot.get("claimed_per_s")),
        sessions=_whole(snapshot.get("sessions")),
        outstanding=_whole(snapshot.get("outstanding")),
        capacity=_whole(snapshot.get("capacity")),
        no_shows=_whole(snapshot.get("no_shows")),
        late=_whole(snapshot.get("late")),
        eta=_eta(waiting, rate, released_per_s, held=bool(hold)),
        hold=hold,
        message=_text(told.get("message")),
        ceiling_per_s=ceiling,
        stale=stale,
    )


def _phase(phase: str, *, hold: str, stale: bool) -> Said:
    if stale:
        return Said("Stale", "bad", "the room or its store is out of reach; these figures are old")
    if hold:
        return Said("Held", "warning", hold)
    grades: dict[str, Grade] = {"open": "good"}
    return Said(phase.capitalize().replace("_", " ") or "Unknown", grades.get(phase, "note"))


def _released(snapshot: Mapping[str, Any], waiting: int | None) -> int | None:
    lines = snapshot.get("lines")
    if waiting is None or not isinstance(lines, list):
        return None
    return sum(_whole(_mapping(line).get("tail")) or 0 for line in lines) - waiting


def _eta(waiting: int | None, rate: float | None, released_per_s: float | None, *, held: bool) -> str:
    """Say when the last of those who wait now is let in: by what is released, or by the rate before anything is."""
    if waiting is None or rate is None:
        return "-"
    if waiting == 0:
        return "nobody waits"
    if held:
        return "held"
    pace = min(rate, released_per_s) if released_per_s else rate
    return ago(waiting / pace) if pace > 0 else "never at this rate"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
