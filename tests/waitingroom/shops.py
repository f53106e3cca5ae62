"""A shop in each way in which a Python shop is served, behind the middleware: what it answers, and what reached it."""

import asyncio
import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import SimpleHandler
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict
from yarl import URL

from waitingroom.middleware import AsgiGate, OfflineGate, WsgiGate, aiohttp_gate
from waitingroom.middleware.asgi import Message, Receive, Scope, Send


@dataclass(frozen=True)
class Got:
    """An answer; `shop` is what the shop saw, None where nothing reached it."""

    status: int
    headers: CIMultiDict[str]
    shop: dict[str, str] | None


Ask: TypeAlias = Callable[[OfflineGate, str, str, dict[str, str]], Got]


def ours(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the session's headers which the shop saw, with those that pretend to be some."""
    named = {name.lower().replace("_", "-").removeprefix("http-"): value for name, value in headers.items()}
    return {name: value for name, value in named.items() if name.startswith("x-tidegate-")}


def endings(path: str) -> list[tuple[str, str]]:
    """Return the header with which the shop ends the session, on a path that ends with it."""
    return [("X-Tidegate-End", "complete")] if path.endswith("/end") else []


def ask_asgi(gate: OfflineGate, method: str, target: str, headers: dict[str, str]) -> Got:
    saw: list[dict[str, str]] = []
    sent: list[Message] = []

    async def shop(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name.decode(): value.decode() for name, value in scope["headers"]}
        saw.append(ours(names) | {"pass": getattr(scope["tidegate.pass"], "session", "")})
        ending = [(name.lower().encode(), value.encode()) for name, value in endings(scope["path"])]
        await send({"type": "http.response.start", "status": 200, "headers": ending})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    asyncio.run(AsgiGate(shop, gate)(scope, receive, send))
    answered = CIMultiDict((name.decode(), value.decode()) for name, value in sent[0]["headers"])
    return Got(sent[0]["status"], answered, saw[0] if saw else None)


def ask_wsgi(gate: OfflineGate, method: str, target: str, headers: dict[str, str]) -> Got:
    saw: list[dict[str, str]] = []

    def shop(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        seen = {name: value for name, value in environ.items() if isinstance(value, str)}
        saw.append(ours(seen) | {"pass": getattr(environ["tidegate.pass"], "session", "")})
        start_response("200 OK", endings(environ["PATH_INFO"]))
        return [b""]

    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }
    out = io.BytesIO()
    handler = SimpleHandler(io.BytesIO(), out, sys.stderr, environ, multithread=False, multiprocess=False)
    handler.http_version = "1.1"
    handler.run(WsgiGate(shop, gate))
    head = out.getvalue().partition(b"\r\n\r\n")[0].decode().split("\r\n")
    answered = CIMultiDict(tuple(line.split(": ", 1)) for line in head[1:])
    return Got(int(head[0].split()[1]), answered, saw[0] if saw else None)


def ask_aiohttp(gate: OfflineGate, method: str, target: str, headers: dict[str, str]) -> Got:
    async def shop(request: web.Request) -> web.Response:
        seen = ours(request.headers)
        told = {**seen, "pass": seen.get("x-tidegate-session", "")}
        return web.json_response(told, headers=dict(endings(request.path)))

    async def run() -> Got:
        app = web.Application(middlewares=[aiohttp_gate(gate)])
        app.router.add_route("*", "/{path:.*}", shop)
        async with TestClient(TestServer(app)) as client:
            url = URL(str(client.make_url("/")).rstrip("/") + target, encoded=True)
            async with client.session.request(method, url, headers=headers, allow_redirects=False) as answer:
                text = await answer.text()
                seen = json.loads(text) if answer.status == 200 and text else None
                return Got(answer.status, CIMultiDict(answer.headers), seen)

    return asyncio.run(run())


every = pytest.mark.parametrize("ask", [ask_asgi, ask_wsgi, ask_aiohttp], ids=["asgi", "wsgi", "aiohttp"])
