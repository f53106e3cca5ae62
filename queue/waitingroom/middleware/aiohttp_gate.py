"""The gate inside an aiohttp application. The session stands in the request's headers, which only the gate sets."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from waitingroom.middleware.checker import Asked, is_ours
from waitingroom.middleware.offline import OfflineGate


def aiohttp_gate(gate: OfflineGate) -> Middleware:
    """Return the middleware; put it before all others."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        verdict = await gate.acheck(_asked(request))
        answer = verdict.answer
        if answer is not None:
            return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        headers = request.headers.copy()
        for name in [name for name in headers if is_ours(name)]:
            headers.popall(name, None)
        headers.update(verdict.headers())
        return await handler(request.clone(headers=headers))

    return check


def _asked(request: web.Request) -> Asked:
    return Asked(
        method=request.method,
        hosts=tuple(request.headers.getall("Host", ())),
        target=request.raw_path,
        cookie="; ".join(request.headers.getall("Cookie", ())),
        accept=", ".join(request.headers.getall("Accept", ())),
    )
