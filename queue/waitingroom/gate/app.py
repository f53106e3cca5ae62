"""The reverse proxy as an application. It has no routes: whatever comes, of any form, is the proxy's to judge or to refuse."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from waitingroom.gate.proxy import ProxyGate


def make_gate_app(gate: ProxyGate) -> web.Application:
    """Assemble the application."""

    @web.middleware
    async def take(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.handle(request)

    app = web.Application(middlewares=[take])
    app.on_response_prepare.append(gate.complete)
    return app
