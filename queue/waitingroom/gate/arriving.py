"""What a buyer is answered who comes to the shop's host with a code; pure, and shared by the room, the proxy and the middleware.

Let in: cookies of this host alone for pass and device, and on to the clean address. Refused: a page that says why and leads back
to the line, where the place is kept.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from waitingroom.gate.turnaway import Answer, prefers_page, problem_answer
from waitingroom.web.cookies import YEAR_S, device_cookie, pass_cookie, set_cookie

RETRY_S = 2
_HEADERS = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
_PAGE = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
)
_REASONS: dict[str, tuple[int, str, str]] = {
    "unknown": (
        HTTPStatus.GONE,
        "This link has been used",
        "A link into the shop works once, and for half a minute. Your place is kept: enter from the waiting room again.",
    ),
    "ended": (
        HTTPStatus.GONE,
        "Your stay in the shop is over",
        "The stay to which this link belongs has ended.",
    ),
    "devices": (
        HTTPStatus.FORBIDDEN,
        "Entered too often",
        "This place has been taken to several devices already, or this browser keeps no cookies for the shop.",
    ),
    "elsewhere": (HTTPStatus.BAD_REQUEST, "Another shop", "This link leads to another shop than this one."),
    "malformed": (
        HTTPStatus.BAD_REQUEST,
        "Not a link into the shop",
        "This link is not whole. Enter from the waiting room again.",
    ),
    "limited": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "Please wait a moment",
        "Too many links that let nobody in came from your network at once. Your place is kept.",
    ),
    "unavailable": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Please wait a moment",
        "The waiting room cannot be reached just now. Your place is kept.",
    ),
}
REASONS = frozenset(_REASONS)
_WORTH_ANOTHER_TRY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def let_in(
    onsale: str, token: str, device: str, location: str, *, stay_s: float, known: bool, secure: bool
) -> Answer:
    """Set the cookies of a buyer who stays `stay_s` at the most, and send them on; `known` devices have theirs."""
    cookies = [set_cookie(pass_cookie(onsale), token, path="/", max_age_s=max(1, int(stay_s)), secure=secure)]
    if not known:
        name = device_cookie(secure=secure)
        cookies.append(set_cookie(name, device, path="/", max_age_s=YEAR_S, secure=secure))
    headers = (("Location", location), *_HEADERS, *(("Set-Cookie", cookie) for cookie in cookies))
    return Answer(HTTPStatus.SEE_OTHER, headers)


def refuse(reason: str, accept: str, room: str | None) -> Answer:
    """Say why nobody is let in; `room` is the address of the line, None where the onsale is not known."""
    status, title, detail = _REASONS[reason]
    retry = {"retry_after": RETRY_S} if status in _WORTH_ANOTHER_TRY else {}
    if not prefers_page(accept):
        where = {} if room is None else {"location": room}
        answer = problem_answer(status, title, detail, reason=reason, **where, **retry)
        return Answer(answer.status, (*answer.headers, _HEADERS[1]), answer.body)
    back = f'<p><a href="{escape(room)}">To the waiting room</a></p>' if room else ""
    refresh = f'<meta http-equiv="refresh" content="{RETRY_S}">' if retry else ""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}'
        f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>"
        f"<p>{escape(detail)}</p>{back}</main></body></html>"
    )
    headers = (*_PAGE, *_HEADERS, *((("Retry-After", str(RETRY_S)),) if retry else ()))
    return Answer(status, headers, page.encode())
