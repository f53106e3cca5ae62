"""Signing in by a token, and out. A token is compared and forgotten; it is neither kept nor logged."""

from __future__ import annotations

import time
from typing import Final

import structlog
from aiohttp import web

from autoscaler.console.base import CONSOLE, ROOT, SESSION, Console, client_name, render, see_other
from autoscaler.console.guard import SIGN_IN, clear_cookie, session_key, set_cookie, why_signed_out
from autoscaler.console.recording import tell
from autoscaler.console.tokens import opens_console
from rulebook.tokencheck import TooManyComparisons

BUSY_S: Final = 5.0
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.console")


async def show_sign_in(request: web.Request) -> web.Response:
    """Ask for a token."""
    over = SESSION not in request and session_key(request)
    notice = why_signed_out(request) if over else ""
    return render(request, "sign_in.html", next=_safe(request.query.get("next")), problem=notice)


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session, if the token is good."""
    console, now_s = request.app[CONSOLE], time.monotonic()
    client = client_name(request)
    form = await request.post()
    goal, told = _safe(form.get("next")), form.get("token")
    token = told.strip() if isinstance(told, str) else ""
    # One that we made cannot be guessed: whoever holds it is let in, whatever others try from the same address.
    entry = console.tokens.find_made(token)
    if entry is None:
        wait_s = console.attempts.wait_s(client, now_s)
        if wait_s > 0:
            _report_limit(
                console, client, now_s, "many from one address; a proxy? name it by --trusted-proxy"
            )
            problem = f"Too many wrong tokens came from your address. Try again in {wait_s:.0f} seconds."
            return _later(request, 429, goal, problem, wait_s)
        # Counted before it is compared: many at once must not slip through while a slow comparison is under way.
        console.attempts.failed(client, now_s)
        try:
            entry = await console.tokens.find(token)
        except TooManyComparisons:
            console.attempts.succeeded(client)
            _report_limit(console, client, now_s, "many are being compared")
            problem = f"Many tokens are being compared right now. Try again in {BUSY_S:.0f} seconds."
            return _later(request, 503, goal, problem, BUSY_S)
        if entry is None:
            problem = "This token is not known here."
            tell(request, "sign in", who="", outcome=problem)
            return render(request, "sign_in.html", code=401, next=goal, problem=problem)
        console.attempts.succeeded(client)
    if not opens_console(entry):
        problem = (
            "This token is for single onsales or for the shop. The console needs a viewer's or an operator's."
        )
        tell(request, "sign in", who=entry.name, outcome=problem)
        return render(request, "sign_in.html", code=403, next=goal, problem=problem)
    console.sessions.end(session_key(request))
    response = see_other(goal)
    set_cookie(response, console.sessions.begin(entry, now_s), console.settings)
    tell(request, "sign in", who=entry.name, detail=f"as {entry.role.value}")
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    console = request.app[CONSOLE]
    console.sessions.end(session_key(request))
    tell(request, "sign out")
    response = see_other(SIGN_IN)
    clear_cookie(response, console.settings)
    return response


def _later(request: web.Request, code: int, goal: str, problem: str, wait_s: float) -> web.Response:
    tell(request, "sign in", who="", outcome=problem)
    response = render(request, "sign_in.html", code=code, next=goal, problem=problem)
    response.headers["Retry-After"] = f"{max(1, round(wait_s))}"
    return response


def _report_limit(console: Console, client: str, now_s: float, reason: str) -> None:
    """Log once in a while that tokens are not even compared: a proxy that is not trusted has everybody's tries to its name."""
    count = console.limited_tries.count(now_s)
    if count:
        _log.warning("console_tries_limited", client=client, count=count, reason=reason)


def _safe(goal: object) -> str:
    """Return where to go on: a page of the console, and nowhere else."""
    home = f"{ROOT}/"
    if not isinstance(goal, str) or not goal.startswith(home) or not goal.isascii() or not goal.isprintable():
        return home
    return home if "\\" in goal or goal.startswith(SIGN_IN) else goal
