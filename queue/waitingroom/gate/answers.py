"""An answer of the gate's own as aiohttp sends it."""

from __future__ import annotations

from aiohttp import web

from waitingroom.gate.turnaway import Answer


def response_of(answer: Answer) -> web.Response:
    """Return the answer as a response."""
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def closing(answer: Answer) -> web.Response:
    """Return the answer as a response after which the connection ends: what else may come by it is not looked at."""
    response = response_of(answer)
    response.force_close()
    return response
