"""What a buyer is told who cannot be answered, may not join, or whose place is not where they think it is.

Browsers are shown a page of it.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from waitingroom.errors import EntryRefused, JoinRefused, KeysUnavailable, MoveRefused, StoreUnavailable
from waitingroom.web.negotiation import problem
from waitingroom.web.pagedesk import PAGES

Refused = EntryRefused | KeysUnavailable | MoveRefused
_STORE_RETRY_S = 2.0
_OPENING_RETRY_S = 30.0
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


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn this package's errors into problems; the page retries by itself."""
    try:
        return await handler(request)
    except (StoreUnavailable, JoinRefused) as error:
        return error_answer(error)
    except (EntryRefused, KeysUnavailable, MoveRefused) as refused:
        return answer_refusal(request, refused)
    except web.HTTPNotFound as missing:
        return problem(HTTPStatus.NOT_FOUND, "Not found", missing.text or "Nothing is here.")


def error_answer(error: StoreUnavailable | JoinRefused) -> web.Response:
    """Tell the buyer what is the matter, and when to try again."""
    if isinstance(error, JoinRefused):
        return problem(
            HTTPStatus.FORBIDDEN,
            "Not open",
            f"Joining is {error.reason}.",
            retry_after_s=_OPENING_RETRY_S,
            reason=error.reason,
        )
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Please wait a moment",
        "The waiting room cannot give out places just now. Your place, if you have one, is safe.",
        retry_after_s=_STORE_RETRY_S,
    )


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
