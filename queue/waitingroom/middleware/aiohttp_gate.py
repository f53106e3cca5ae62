"""The gate inside an aiohttp application. The session stands in the request's headers, which only the gate sets."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from waitingroom.gate.answers import response_of
from waitingroom.gate.headers import END_HEADER
from waitingroom.gate.privacy import keep_to_buyer
from waitingroom.middleware.checker import Asked, Verdict, is_ours
from waitingroom.middleware.offline import OfflineGate


def aiohttp_gate(gate: OfflineGate) -> Middleware:
    """Return the middleware; put it before all others."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        verdict = await gate.acheck(_asked(request))
        answer = verdict.answer
        if answer is not None:
            return response_of(answer)
        headers = request.headers.copy()
        for name in [name for name in headers if is_ours(name)]:
            headers.popall(name, None)
        headers.update(verdict.headers())
        try:
            response = await handler(request.clone(headers=headers))
        except web.HTTPException as raised:
            follow(raised, verdict)
            raise
        follow(response, verdict)
        return response

    def follow(response: web.StreamResponse, verdict: Verdict) -> None:
        """End the session if the shop says so, else hand the buyer the renewed pass, if there is one."""
        if verdict.admission is None or response.prepared:  # its head is on its way already
            return
        ended = response.headers.popall(END_HEADER, None)
        cookie = gate.cookie(verdict) if ended is None else gate.end(verdict, ended[0])
        if cookie is not None:
            keep_to_buyer(response.headers, cookie)

    return check


def _asked(request: web.Request) -> Asked:
    return Asked(
        method=request.method,
        hosts=tuple(request.headers.getall("Host", ())),
        target=request.raw_path,
        cookie="; ".join(request.headers.getall("Cookie", ())),
        accept=", ".join(request.headers.getall("Accept", ())),
        headers=request.headers,
    )
