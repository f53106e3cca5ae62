"""Puts the console together as an application of its own, which the scaler's server takes in under `/console`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

from autoscaler.clock import SystemClock
from autoscaler.console import actions, live, logs, onsale_pages, pages, signing_in
from autoscaler.console.audit import Audit
from autoscaler.console.base import CONSOLE, ROOT, Console, see_other
from autoscaler.console.guard import guard, harden
from autoscaler.console.history import Chronicle
from autoscaler.console.roomadmin import RoomAdmin
from autoscaler.console.settings import ConsoleSettings
from autoscaler.console.tokens import TokenFile
from autoscaler.scaler import Scaler

MAX_FORM = 64 * 1024


def add_console(
    parent: web.Application, settings: ConsoleSettings, chronicle: Chronicle, scaler: Callable[[], Scaler]
) -> None:
    """Serve the console of a scaler, which is asked for once it is up.

    Raises:
        ConfigurationError: the token file cannot be used.
    """
    tokens = TokenFile(settings.tokens)
    app = web.Application(middlewares=[guard], client_max_size=MAX_FORM)

    async def console_context(app: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as http:
            room = None
            if settings.room_admin is not None and settings.room_admin_token_file is not None:
                room = RoomAdmin(settings.room_admin, settings.room_admin_token_file, http)
            app[CONSOLE] = Console(
                settings=settings,
                chronicle=chronicle,
                scaler=scaler,
                tokens=tokens,
                audit=Audit(lambda: scaler().store),
                room=room,
            )
            async with AsyncExitStack() as stack:
                if room is not None:
                    history = app[CONSOLE].onsale_history
                    await stack.enter_async_context(history.following(room, SystemClock()))
                yield

    app.cleanup_ctx.append(console_context)
    app.on_response_prepare.append(harden)
    app.on_shutdown.append(_stop_streams)
    app.add_routes(
        [
            web.get("/", pages.show_services),
            web.get("/sign-in", signing_in.show_sign_in),
            web.post("/sign-in", signing_in.sign_in),
            web.post("/sign-out", signing_in.sign_out),
            web.get("/services/{rule}", pages.show_service),
            web.post("/services/{rule}/mode", actions.set_mode),
            web.post("/services/{rule}/restart", actions.restart),
            web.get("/services/{rule}/log", logs.show_log),
            web.get("/services/{rule}/log/stream", logs.stream_log),
            web.get("/onsales", pages.show_onsales),
            web.get("/onsales/{onsale}", onsale_pages.show_onsale),
            web.post("/onsales/{onsale}/{action}", onsale_pages.act),
            web.get("/audit", pages.show_audit),
            web.get("/live", live.stream_ticks),
            web.get("/static/{name}", pages.show_static),
        ]
    )
    parent.add_subapp(ROOT, app)
    parent.router.add_get("/", _to_console)
    parent.router.add_get(ROOT, _to_console)


async def _to_console(request: web.Request) -> web.StreamResponse:
    return see_other(f"{ROOT}/")


async def _stop_streams(app: web.Application) -> None:
    """Have open streams end before the server waits for them."""
    if CONSOLE in app:
        app[CONSOLE].stopping.set()
