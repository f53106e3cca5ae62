"""Views of every state, made up: to try a brand's templates before buyers see them, and to show the page in documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rulebook import Onsale
from waitingroom.pages.languages import Language
from waitingroom.pages.wording import PAGE_STATES, DrawShown, PageView
from waitingroom.snapshot import Line, Snapshot
from waitingroom.standing import Standing, State

_NOW = datetime(2026, 12, 5, 8, 45, tzinfo=UTC)
_WITHOUT_PLACE = frozenset({"outside", "early", "ended", "moved", "uninvited"})


def sample_views(language: Language) -> Iterator[PageView]:
    """Return a view of each state."""
    onsale = Onsale.model_validate(
        {
            "apiVersion": "tidegate.dev/v1",
            "kind": "Onsale",
            "metadata": {"name": "sample"},
            "spec": {
                "title": {"en": "Sample <sale>"},
                "shop": "https://shop.example.org/",
                "prequeue": (_NOW + timedelta(minutes=5)).isoformat(),
                "opens": (_NOW + timedelta(minutes=15)).isoformat(),
                "order": "draw",
                "admission": {"rate": "10/s"},
            },
        }
    )
    draw = DrawShown("ab" * 32, beacon="beacon round 1", value="a1b2")
    for state in PAGE_STATES:
        placed = state not in _WITHOUT_PLACE
        yield PageView(
            onsale,
            _snapshot(soldout=state == "soldout"),
            _standing(state) if placed else None,
            4711 if placed else None,
            stale=False,
            language=language,
            epoch=1 if placed else None,
            outside=state if not placed else "outside",
            start=2000,
            draw=draw,
            refresh_s=30,
            asked_late=state == "next",
        )


def _standing(state: str) -> Standing:
    known = {"next": State.LATE, "soldout": State.CLOSED}.get(state) or State(state)
    if known in {State.WAITING, State.HELD}:
        return Standing(known, 1234, 1200, (300.0, 600.0), 30.0)
    return Standing(known, None if known is State.PREQUEUE else 12, 0, None, 30.0)


def _snapshot(*, soldout: bool) -> Snapshot:
    at_s = _NOW.timestamp()
    return Snapshot(
        at_s=at_s,
        lines=(Line(1, 5000, 33, 12),),
        rate_per_s=10.0,
        rate_reason="ceiling",
        burst=10,
        capacity=None,
        tokens=0.0,
        sessions=0,
        outstanding=0,
        claimed=0,
        no_shows=0,
        late=0,
        arrivals_per_s=0.0,
        released_per_s=10.0,
        claimed_per_s=10.0,
        opens_at_s=at_s + 900.0,
        closes_at_s=None,
        hold="A <reason>",
        draw_record="",
        message="A <message>",
        soldout=soldout,
    )
