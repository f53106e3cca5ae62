"""What stands around every request of the console: who is signed in, whether a form is ours, and the headers of each answer.

A change needs four things at once: a session's cookie, which browsers send with requests of our own pages only; an Origin that
is ours; the session's form key; and a role that may act. The content policy allows our own files and nothing else: no inline
script or style, no other host, no frame.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestPayloadError

from autoscaler.console.base import CONSOLE, ROOT, SESSION, render, see_other
from autoscaler.console.recording import tell_refusal
from autoscaler.console.seldom import LONGEST
from autoscaler.console.sessions import Session
from autoscaler.console.settings import ConsoleSettings
from autoscaler.console.tokens import may_act

COOKIE: Final = "tidegate_console"
HOST_COOKIE: Final = f"__Host-{COOKIE}"
"""Over https: browsers take a cookie of such a name from this very host only, and from no neighbour under the same domain."""
SIGN_IN: Final = f"{ROOT}/sign-in"
SIGN_OUT: Final = f"{ROOT}/sign-out"
FORM_KEY: Final = "form_key"
FORM_WITHIN_S: Final = 10.0
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through, or say why not; a form that comes to nothing is in the audit log."""
    try:
        refusal = await _refusal(request)
        return await handler(request) if refusal is None else refusal
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        if _changes(request):
            tell_refusal(request, error.text or error.reason)
        return render(request, "error.html", code=error.status, title=error.reason, text=error.text or "")


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer."""
    response.headers.update(_HEADERS)
    if request.app[CONSOLE].settings.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def signed_in(request: web.Request) -> Session:
    """Return who asks; only behind the guard."""
    return request[SESSION]


def session_key(request: web.Request) -> str:
    """Return what a browser shows as its session's key, '' for nothing."""
    return request.cookies.get(_cookie(request.app[CONSOLE].settings)[0], "")


def why_signed_out(request: web.Request) -> str:
    """Say why whoever has no session has none: it has ended, where the browser still has its cookie."""
    return "Your session has ended: sign in again." if session_key(request) else "Sign in first."


def set_cookie(response: web.Response, key: str, settings: ConsoleSettings) -> None:
    """Give a browser its session."""
    name, path = _cookie(settings)
    response.set_cookie(name, key, path=path, httponly=True, samesite="Strict", secure=settings.secure)


def clear_cookie(response: web.Response, settings: ConsoleSettings) -> None:
    """Take it back."""
    name, path = _cookie(settings)
    response.del_cookie(name, path=path, httponly=True, samesite="Strict", secure=settings.secure)


def _cookie(settings: ConsoleSettings) -> tuple[str, str]:
    """Return the name and the path of the session's cookie."""
    return (HOST_COOKIE, "/") if settings.secure else (COOKIE, ROOT)


def _changes(request: web.Request) -> bool:
    return request.method not in (hdrs.METH_GET, hdrs.METH_HEAD)


async def _refusal(request: web.Request) -> web.StreamResponse | None:
    console = request.app[CONSOLE]
    if request.path.startswith(f"{ROOT}/static/"):
        return None
    changes = _changes(request)
    if changes and not is_ours(request, console.settings):
        _report_foreign_form(request)
        raise web.HTTPForbidden(text="This form was not sent from this console, so nothing was done.")
    if changes:
        await _read_form(request)
    session = _session(request)
    if session is not None:
        request[SESSION] = session
    if request.path == SIGN_IN:
        return None
    if session is None:
        if changes or "text/html" not in request.headers.get("Accept", ""):
            raise web.HTTPUnauthorized(text=f"{why_signed_out(request)} Nothing was done.")
        return see_other(f"{SIGN_IN}?next={quote(request.path_qs, safe='/')}")
    if changes:
        form = await request.post()
        if not session.owns(form.get(FORM_KEY)):
            raise web.HTTPForbidden(
                text="This form is not from this session: reload the page. Nothing was done."
            )
        if request.path != SIGN_OUT and not may_act(session.entry):
            raise web.HTTPForbidden(text="Your token may look, not act. Nothing was done.")
    return None


def _report_foreign_form(request: web.Request) -> None:
    """Log it once in a while: it takes no session to send such forms, and nobody is to fill the log with them."""
    count = request.app[CONSOLE].foreign_forms.count(time.monotonic())
    if count:
        _log.warning(
            "console_form_of_others_refused",
            path=request.path[:LONGEST],
            origin=request.headers.get("Origin", "")[:LONGEST],
            count=count,
        )


async def _read_form(request: web.Request) -> None:
    """Have the whole form here, so that nothing waits for a slow client; one that hangs up meanwhile is no defect of ours.

    Nor is one that sends what is no form of ours: handlers get one that could be read.

    Raises:
        HTTPRequestTimeout, HTTPBadRequest: it did not come, or is no text.
        HTTPUnsupportedMediaType: it comes in parts, as none of our pages sends it.
    """
    try:
        if request.content_type.startswith("multipart/"):
            raise web.HTTPUnsupportedMediaType(
                text="Send the form as application/x-www-form-urlencoded. Nothing was done."
            )
        async with asyncio.timeout(FORM_WITHIN_S):
            await request.read()
        await request.post()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The form did not arrive in time. Nothing was done.") from error
    except (ConnectionError, RequestPayloadError) as error:
        raise web.HTTPBadRequest(text="The form is not whole. Nothing was done.") from error
    except (LookupError, ValueError) as error:
        raise web.HTTPBadRequest(
            text="The form is not text in the encoding that it names. Nothing was done."
        ) from error


def is_ours(request: web.Request, settings: ConsoleSettings) -> bool:
    """Tell whether a page of this console sent the request, by what browsers say of it and pages cannot forge."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return False
    return origin == (settings.origin or f"{request.scheme}://{request.host}")


def _session(request: web.Request) -> Session | None:
    console = request.app[CONSOLE]
    key = session_key(request)
    session = console.sessions.find(key, time.monotonic())
    if session is not None and not console.tokens.still_holds(session.entry):
        console.sessions.end(key)
        return None
    return session
