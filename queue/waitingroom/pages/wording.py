"""What the page says of a buyer's standing: texts of one language, from a view alone.

Pure. The page's script says the same by the same texts when the standing changes (`static/room.js`); tests hold both together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from rulebook import Onsale
from waitingroom.joining import joining_begins_at_s
from waitingroom.pages.languages import Language
from waitingroom.snapshot import Snapshot
from waitingroom.standing import Standing, State

IN_LINE = frozenset({"prequeue", "waiting", "held"})
OPENING = frozenset({"early", "prequeue"})
TURN = frozenset({"released", "late", "next", "admitted"})
JOIN = frozenset({"outside", "ended", "moved"})
PLACED = IN_LINE | TURN
PAGE_STATES = (
    *("outside", "early", "prequeue", "waiting", "held", "released", "late", "next", "admitted"),
    *("closed", "soldout", "ended", "moved", "uninvited"),
)
"""All that the page can show: a buyer's states, and those of somebody without a place."""

SCRIPT_TEXTS = (
    *(f"headline.{state}" for state in PAGE_STATES if state not in {"ended", "moved", "uninvited"}),
    "headline.joining",
    *("lead.joining", "lead.draw", "lead.arrival", "lead.waiting", "lead.held", "lead.released", "lead.late"),
    *("lead.next", "lead.admitted", "lead.closed", "lead.soldout", "lead.outside", "lead.early"),
    *("figure.unknown", "figure.at_draw", "figure.paused"),
    *("wait.soon", "wait.minutes", "wait.within_hours", "wait.hours", "title.ahead"),
    *("pace.minute", "pace.closed_doors"),
    *(
        f"slow.{cause}"
        for cause in (
            *("held", "none_ready", "stopped", "draw_pending", "shop_full", "recovering", "no_target"),
            *("operator", "shop_slow", "fewer_servers", "slower"),
        )
    ),
    *("countdown.days", "turn.until", "turn.within", "button.enter", "button.entering", "button.shop"),
    *("notify.both", "notify.sound", "notify.body", "updated.at", "announce.waiting"),
    *("hold.label", "message.label"),
    *("notice.kept", "notice.stale", "notice.lost", "notice.busy", "notice.unreached", "notice.cookies"),
    *("draw.checking", "draw.correct", "draw.behind", "draw.signed", "draw.wrong_signature"),
    *("draw.wrong_seed", "draw.wrong_position", "draw.not_yet", "draw.unable"),
)
"""The texts which go with the page for its script."""


@dataclass(frozen=True, slots=True)
class DrawShown:
    """What is public of the draw: the seed's hash, and the beacon if one was announced."""

    fingerprint: str
    beacon: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class PageView:
    """What one rendering of the page shows.

    Attributes:
        epoch, line_epoch: those of the place, and of the line in which it stands.
        outside: why there is no standing: outside (may join), early, closed, ended, moved, or uninvited (needs a token).
        refused: why a token was not taken, as `entry.*` names it.
        kept: what goes on with the buyer in the page's address; `query` is the same, encoded.
        told: what else the address says, of an attempt to enter: it stays while the same page is shown again.
        refresh_s: how often a browser without scripts loads the page again; 0 for never.
        start: how many were ahead when the buyer's position was first shown; None if that was never.
        slowdown: why the wait has grown: `code` and its figures.
        asked_late: the buyer whose turn has passed has asked to enter and is served next.
    """

    onsale: Onsale
    snapshot: Snapshot | None
    standing: Standing | None
    number: int | None
    stale: bool
    language: Language
    epoch: int | None = None
    line_epoch: int | None = None
    outside: str = "outside"
    refused: str = "missing"
    kept: tuple[tuple[str, str], ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    query: str = ""
    refresh_s: int = 0
    start: int | None = None
    slowdown: Mapping[str, Any] | None = None
    draw: DrawShown | None = None
    asked_late: bool = False

    @property
    def state(self) -> str:
        """Name what the page shows, one of `PAGE_STATES`."""
        state = str(self.standing.state) if self.standing is not None else self.outside
        if state == State.LATE and self.asked_late:
            return "next"
        return "soldout" if state == "closed" and self.snapshot and self.snapshot.soldout else state

    @property
    def opens_at_s(self) -> float | None:
        """When the countdown ends (unix seconds): the opening of the waiting room, or of the sale."""
        if self.state == "early":
            return joining_begins_at_s(self.onsale, self.snapshot)
        return self.snapshot.opens_at_s if self.snapshot else None


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of a view."""

    headline: str
    lead: str
    ahead: str
    wait: str
    position: str
    pace: str
    notice: str
    opens: str
    opens_iso: str
    enter_by: str
    left: str
    updated: str


def title_of(onsale: Onsale, language: Language) -> str:
    """Return the sale's title in a language, in English if it has none, or else in whichever it has."""
    titles = onsale.spec.title
    return titles.get(language.code) or titles.get("en") or next(iter(titles.values()), onsale.name)


def pace_per_s(snapshot: Snapshot) -> float:
    """Return how fast the line moves: as it did lately, or as it may."""
    return snapshot.released_per_s or snapshot.rate_per_s


def word(view: PageView) -> Wording:
    """Say what a view shows."""
    words, state, standing = view.language, view.state, view.standing
    zone = view.onsale.spec.opens.tzinfo if view.onsale.spec.opens else UTC
    opens = _moment(view.opens_at_s, zone)
    ahead = standing.ahead if standing else None
    position = standing.position if standing else None
    unknown = words.text("figure.at_draw" if state == "prequeue" else "figure.unknown")
    return Wording(
        headline=words.text(f"headline.{state}"),
        lead=words.text(_lead(view)),
        ahead=unknown if ahead is None else words.number(ahead),
        wait=_wait(view, state),
        position=unknown if position is None else words.number(position),
        pace=_pace(view, state),
        notice=words.text("notice.stale" if view.stale else "notice.kept"),
        opens=words.moment(opens) if opens else "",
        opens_iso=opens.isoformat() if opens else "",
        enter_by=_enter_by(view, zone) if state == "released" else "",
        left=_left(view) if state == "released" else "",
        updated=words.text(
            "updated.at", time=words.time(datetime.fromtimestamp(view.snapshot.at_s, zone or UTC))
        )
        if view.snapshot
        else "",
    )


def _lead(view: PageView) -> str:
    if view.state == "uninvited":
        return f"entry.{view.refused}"
    if view.state == "prequeue":
        return "lead.draw" if view.draw else "lead.arrival"
    return f"lead.{view.state}"


def _wait(view: PageView, state: str) -> str:
    eta = view.standing.eta_s if view.standing else None
    if state == "held":
        return view.language.text("figure.paused")
    return view.language.wait(*eta) if eta else view.language.text("figure.unknown")


def _pace(view: PageView, state: str) -> str:
    words, snapshot = view.language, view.snapshot
    if state == "prequeue" or snapshot is None:
        return words.text("pace.closed_doors")
    if state not in {"waiting", "held"}:
        return ""
    if view.slowdown is not None:
        return slow(words, view.slowdown)
    rate = pace_per_s(snapshot)
    return words.count("pace.minute", _per_minute(rate)) if rate > 0 else words.text("slow.stopped")


def slow(words: Language, slowdown: Mapping[str, Any]) -> str:
    """Say why a line is slow; a cause of which we know no words is just slower."""
    key = f"slow.{slowdown['code']}"
    if key not in words.texts:
        key = "slow.slower" if "rate_per_s" in slowdown else "slow.stopped"
    values = {"reason": str(slowdown.get("reason", ""))}
    for name, figure in (("rate", "rate_per_s"), ("usual", "usual_per_s")):
        values[name] = words.number(_per_minute(slowdown.get(figure, 0.0)))
    for name in ("ready", "usual_ready"):
        values[name] = words.number(slowdown.get(name, 0))
    return words.text(key, **values)


def _enter_by(view: PageView, zone: tzinfo | None) -> str:
    words = view.language
    claim_by_s = view.standing.claim_by_s if view.standing else None
    if claim_by_s is None:
        minutes = max(1, round(view.onsale.spec.admission.claim_within_s / 60))
        return words.count("turn.within", minutes)
    return words.text("turn.until", time=words.time(datetime.fromtimestamp(claim_by_s, zone or UTC)))


def _left(view: PageView) -> str:
    """Say how long there is left to enter, rounded down; nothing where that is not known."""
    words, snapshot = view.language, view.snapshot
    claim_by_s = view.standing.claim_by_s if view.standing else None
    if claim_by_s is None or snapshot is None or view.stale:
        return ""
    minutes = math.floor((claim_by_s - snapshot.at_s) / 60)
    return words.count("turn.minutes", minutes) if minutes >= 1 else words.count("wait.soon", 1)


def _per_minute(per_s: float) -> float:
    """Return a rate as people read it: whole numbers, tenths below ten."""
    per_minute = per_s * 60
    if per_minute >= 10:
        return math.floor(per_minute + 0.5)
    return max(0.1, math.floor(per_minute * 10 + 0.5) / 10) if per_s > 0 else 0


def _moment(at_s: float | None, zone: tzinfo | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, zone or UTC)
