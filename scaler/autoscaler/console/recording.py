"""Puts a request into the words of the audit log: who asks for what, from where, by which id. It repeats nothing of a form."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from autoscaler.console.base import CONSOLE, ROOT, SESSION, client_name
from autoscaler.console.entries import Entry
from autoscaler.console.sessions import Session
from autoscaler.errors import brief
from rulebook.override import MAX_REASON

_FORM: Final = "a form"
"""What is asked for where no form of ours goes to: an address may be anybody's words."""
_LONGEST: Final = 80
_ASKED: Final[Mapping[str, str]] = {
    "sign-in": "sign in",
    "sign-out": "sign out",
    "mode": "set mode",
    **{action: action for action in ("restart", "hold", "resume", "rate", "message", "revoke")},
}
_REQUEST_ID: Final = web.RequestKey("request_id", str)


def request_id(request: web.Request) -> str:
    """Return by which id this request is known, in the room's log and audit too where it asks something of the room."""
    found: str | None = request.get(_REQUEST_ID)
    if found is None:
        found = request[_REQUEST_ID] = f"console-{secrets.token_hex(6)}"
    return found


def entry_of(
    request: web.Request,
    what: str,
    about: str,
    *,
    who: str | None = None,
    detail: str = "",
    outcome: str = "",
    unsure: bool = False,
) -> Entry:
    """Write an entry of a request, in the name of whose session it is where nobody is named."""
    session: Session | None = request.get(SESSION)
    if who is None:
        who = "" if session is None else session.entry.name
    return Entry(
        at_s=request.app[CONSOLE].scaler().clock.now_s(),
        who=who,
        what=what,
        about=about,
        detail=" ".join(detail.split())[:MAX_REASON],
        outcome=outcome,
        request_id=request_id(request),
        client=client_name(request),
        unsure=unsure,
    )


def tell(
    request: web.Request,
    what: str,
    about: str = "",
    *,
    who: str | None = None,
    detail: str = "",
    outcome: str = "",
) -> None:
    """Have it in the audit log, or counted there, that something was refused, or that somebody came or went."""
    entry = entry_of(request, what, about, who=who, detail=detail, outcome=outcome)
    request.app[CONSOLE].audit.tell(entry, time.monotonic())


def tell_refusal(request: web.Request, why: str) -> None:
    """The same of a form that came to nothing before it was looked at; what it asks for is known by its address."""
    what, about = asked_by(request)
    tell(request, what, about, outcome=brief(why))


def asked_by(request: web.Request) -> tuple[str, str]:
    """Tell by its address what a form asks for, and of which service or onsale."""
    place, _, last = request.path.rpartition("/")
    what, names = _ASKED.get(last, _FORM), request.match_info
    if "rule" in names:
        about = names["rule"]
    elif "onsale" in names:
        about = f"onsale {names['onsale']}"
    else:
        about = "" if place == ROOT and what != _FORM else request.path
    return what, " ".join(about.split())[:_LONGEST]
