"""What a buyer is told who may not join, or whose place is not where they think it is: as a problem, or as a page."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from waitingroom.errors import EntryRefused, KeysUnavailable, MoveRefused
from waitingroom.pages import NoticeView, Pages
from waitingroom.web.negotiation import problem, wants_html

PAGES = web.AppKey("pages", Pages)
Refused = EntryRefused | KeysUnavailable | MoveRefused
_KEYS_RETRY_S = 5.0
_BUSY_RETRY_S = 30.0

ENTRY_TEXTS = {
    "missing": "Only buyers whom the shop has invited can join this line. Open the link which the shop gave you.",
    "malformed": "This link is damaged. Open it again from where the shop gave it to you, whole.",
    "algorithm": "This link was signed in a way which is not accepted here. Ask the shop for a new one.",
    "unknown_key": "This link was not made by the shop, or long ago. Ask the shop for a new one.",
    "signature": "This link is damaged or was not made by the shop. Open it again from where you got it.",
    "expired": "This link has expired. Ask the shop for a new one.",
    "not_yet": "This link is not good yet. Try it again later.",
    "issuer": "This link was not made by the shop of this sale.",
    "audience": "This link is for another sale. Open the one which the shop gave you for this sale.",
    "subject": "This link names no account. Ask the shop for a new one.",
}
_TITLES = {"missing": "By invitation only"}


@dataclass(frozen=True, slots=True)
class _Move:
    status: HTTPStatus
    title: str
    text: str
    retry_after_s: float | None = None


_MOVES = {
    "held": _Move(
        HTTPStatus.CONFLICT,
        "Your place is on another device",
        "Your account has a place in this line already, held by another device. You can move it to this one; "
        "the other device then loses it.",
    ),
    "moved": _Move(
        HTTPStatus.GONE,
        "Your place was moved",
        "This place was moved to another device, and is good there only.",
    ),
    "entered": _Move(
        HTTPStatus.CONFLICT,
        "Your place has been used",
        "This place has been used to enter the shop, so that it cannot be moved any more. Go on where you entered.",
    ),
    "exhausted": _Move(
        HTTPStatus.CONFLICT,
        "Moved too often",
        "This place has been moved as often as it may be. It stays on the device which holds it now.",
    ),
    "code": _Move(
        HTTPStatus.FORBIDDEN,
        "Unknown code",
        "There is no such code, or it has been used or has expired. Look at it again, or get a new one on the other device.",
    ),
    "busy": _Move(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Please wait a moment",
        "Too many wrong codes are being tried just now. Your place is safe; try again in a moment.",
        _BUSY_RETRY_S,
    ),
}


def answer_refusal(request: web.Request, refused: Refused) -> web.Response:
    """Tell the buyer."""
    if isinstance(refused, KeysUnavailable):
        text = "The shop's invitations cannot be checked just now. Please try again in a moment."
        return _answer(
            request, HTTPStatus.SERVICE_UNAVAILABLE, "Please wait a moment", text, None, _KEYS_RETRY_S
        )
    if isinstance(refused, MoveRefused):
        move = _MOVES[refused.reason]
        return _answer(request, move.status, move.title, move.text, refused.reason, move.retry_after_s)
    title = _TITLES.get(refused.reason, "Invitation not accepted")
    response = _answer(
        request, HTTPStatus.UNAUTHORIZED, title, ENTRY_TEXTS[refused.reason], refused.reason, None
    )
    error = "" if refused.reason == "missing" else ', error="invalid_token"'
    response.headers["WWW-Authenticate"] = f'Bearer realm="tidegate"{error}'
    return response


def _answer(
    request: web.Request,
    status: HTTPStatus,
    title: str,
    text: str,
    reason: str | None,
    retry_after_s: float | None,
) -> web.Response:
    if not wants_html(request):
        members = {} if reason is None else {"reason": reason}
        return problem(status, title, text, retry_after_s=retry_after_s, **members)
    notice = NoticeView(request.match_info["onsale"], title, text, reason=reason or "")
    return notice_page(request, notice, status)


def notice_page(request: web.Request, notice: NoticeView, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a page which says one thing."""
    pages = request.app[PAGES]
    response = web.Response(
        status=status,
        body=pages.render_notice(notice),
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
    response.headers.update(pages.security_headers)
    return response
