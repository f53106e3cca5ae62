"""What a buyer is told who may not join, or whose place is not where they think it is. Browsers are shown a page of it."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from waitingroom.errors import EntryRefused, KeysUnavailable, MoveRefused
from waitingroom.web.negotiation import problem
from waitingroom.web.pagedesk import PAGES

Refused = EntryRefused | KeysUnavailable | MoveRefused
_KEYS_RETRY_S = 5.0
_BUSY_RETRY_S = 30.0
_MOVE_STATUS = {
    "held": HTTPStatus.CONFLICT,
    "moved": HTTPStatus.GONE,
    "entered": HTTPStatus.CONFLICT,
    "exhausted": HTTPStatus.CONFLICT,
    "code": HTTPStatus.FORBIDDEN,
    "busy": HTTPStatus.TOO_MANY_REQUESTS,
}


def answer_refusal(request: web.Request, refused: Refused) -> web.Response:
    """Tell the buyer; problems are in English, as the page's catalogue has them."""
    english = request.app[PAGES].languages["en"]
    if isinstance(refused, EntryRefused):
        title = "By invitation only" if refused.reason == "missing" else english.text("entry.refused")
        text = english.text(f"entry.{refused.reason}")
        response = problem(HTTPStatus.UNAUTHORIZED, title, text, reason=refused.reason)
        error = "" if refused.reason == "missing" else ', error="invalid_token"'
        response.headers["WWW-Authenticate"] = f'Bearer realm="tidegate"{error}'
        return response
    retry_after_s: float | None
    if isinstance(refused, KeysUnavailable):
        reason, status, retry_after_s = "keys", HTTPStatus.SERVICE_UNAVAILABLE, _KEYS_RETRY_S
    else:
        reason, status = refused.reason, _MOVE_STATUS[refused.reason]
        retry_after_s = _BUSY_RETRY_S if reason == "busy" else None
    title, text = english.text(f"refused.{reason}.title"), english.text(f"refused.{reason}.text")
    return problem(status, title, text, retry_after_s=retry_after_s, reason=reason)
