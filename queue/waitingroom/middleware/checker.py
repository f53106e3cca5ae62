"""What a shop's own gate decides of a request: pure, and the same for ASGI, WSGI and aiohttp.

It fails closed: what cannot be judged is refused, and what cannot be verified is sent to the line.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Protocol

from rulebook import Onsale
from waitingroom.gate.guard import Guard
from waitingroom.gate.hours import Hours, hours_of
from waitingroom.gate.original import is_target
from waitingroom.gate.reader import PassReader
from waitingroom.gate.turnaway import (
    ONSALE_HEADER,
    SESSION_HEADER,
    Answer,
    problem_answer,
    room_address,
    send_to_line,
)
from waitingroom.passes import Pass
from waitingroom.web.cookies import find_cookie, pass_cookie

OUR_PREFIX = "x-tidegate-"
_MAX_HEADER_CHARS = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it matters here. `target` is the path, percent-encoded, with its query.

    `headers` holds the names of all its headers, in lower case or to be found in any.
    """

    method: str
    hosts: tuple[str, ...]
    target: str
    cookie: str
    accept: str
    headers: Container[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Let through (`answer` is None), with the pass it needed, or answered here.

    `unknown_kid` names the key of a pass that none of our keys can have signed: a newer set may hold it. `token` is the pass as
    it was signed, and `is_newer` says that it is another one than the buyer's cookie holds. `refused` says why a request was.
    """

    answer: Answer | None = None
    admission: Pass | None = None
    unknown_kid: str | None = None
    token: str = ""
    is_newer: bool = False
    refused: str = ""

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers which the shop may trust, all others of their names having been removed."""
        if self.admission is None:
            return ()
        return ((SESSION_HEADER, self.admission.session), (ONSALE_HEADER, self.admission.onsale))


class Sessions(Protocol):
    """What a shop's process has heard from the room."""

    def is_over(self, session: str) -> bool:
        """Tell whether a session has ended."""
        ...

    def newest(self, token: str) -> str:
        """Return the newest pass of a token's session."""
        ...


class Checker:
    """Judges requests to the shop of these onsales; `room_url` is the room's address as buyers see it.

    Raises:
        ConfigurationError: one of `free_hosts`, at which no onsale needs a pass, is no host name.
    """

    def __init__(
        self,
        onsales: Iterable[Onsale],
        *,
        room_url: str,
        hours: Callable[[Onsale], Hours] = hours_of,
        secure_cookies: bool = True,
        free_hosts: Iterable[str] = (),
    ) -> None:
        self._guard = Guard(onsales, hours, free_hosts=free_hosts)
        self._room_url = room_url
        self._secure = secure_cookies

    def check(
        self,
        asked: Asked,
        reader: PassReader,
        kids: frozenset[str],
        now_s: float,
        sessions: Sessions | None = None,
    ) -> Verdict:
        """Judge a request at `now_s`, by a reader that knows the keys `kids`, and by what is known of sessions."""
        if not is_target(asked.target):
            return _refused("request: the target must be a path of printable ASCII")
        path = asked.target.partition("?")[0]
        judgement = self._guard.judge_request(asked.method, asked.hosts, path, asked.headers)
        if judgement.refused:
            return _refused(judgement.refused)
        onsale = judgement.onsale
        if onsale is None or self._guard.is_outside(onsale, now_s):
            return Verdict()
        sent = find_cookie(asked.cookie, pass_cookie(onsale.name)) or ""
        token, cookie = sent, asked.cookie
        if sessions is not None and sent:
            token = sessions.newest(sent)
            if token != sent:
                # What the buyer would have sent, had the last answer reached them.
                cookie = cookie.replace(sent, token)
        admission = reader.read(onsale.name, cookie, now_s, secure=self._secure)
        if admission is not None and not (sessions is not None and sessions.is_over(admission.session)):
            return Verdict(admission=admission, token=token, is_newer=token != sent)
        kid = None if admission is not None else key_named(sent)
        address = room_address(self._room_url, onsale, asked.method, asked.target)
        return Verdict(
            send_to_line(asked.accept, address),
            unknown_kid=kid if kid is not None and kid not in kids else None,
        )


def _refused(reason: str) -> Verdict:
    return Verdict(problem_answer(400, "Bad request", f"Refused: {reason}."), refused=reason)


def is_ours(name: str) -> bool:
    """Tell whether a header, in whatever spelling, is one that only the gate may set."""
    return name.lower().replace("_", "-").startswith(OUR_PREFIX)


def key_named(token: str | None) -> str | None:
    """Return the `kid` in a pass's header, unverified; None where there is none to be read."""
    head = (token or "").partition(".")[0]
    if not head or len(head) > _MAX_HEADER_CHARS:
        return None
    try:
        header = json.loads(base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else None
