"""The gate before an ASGI application: HTTP and WebSocket. `scope["tidegate.pass"]` holds the pass that let a request in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from waitingroom.gate.headers import END_HEADER
from waitingroom.gate.privacy import is_for_shared_caches, private_form
from waitingroom.gate.turnaway import Answer
from waitingroom.middleware.checker import Asked, Verdict, is_ours
from waitingroom.middleware.offline import OfflineGate

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_STATE = "tidegate.pass"
_NOT_ADMITTED = 1008
_HEADS = frozenset({"http.response.start", "websocket.accept"})
_END = END_HEADER.lower().encode()


class AsgiGate:
    """Wraps an application."""

    def __init__(self, app: Application, gate: OfflineGate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check requests and handshakes; what is neither, nor the application's own lifespan, is not let through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise ValueError(f"the gate knows no scope of type {scope['type']!r}")
        verdict = await self._gate.acheck(_asked(scope))
        if verdict.answer is not None:
            await _answer(scope["type"], verdict.answer, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if not is_ours(name.decode("latin-1"))]
        headers += [(name.lower().encode(), value.encode()) for name, value in verdict.headers()]
        passed = {**scope, "headers": headers, _STATE: verdict.admission}
        if verdict.admission is None:
            await self._app(passed, receive, send)
            return

        async def follow(message: Message) -> None:
            if message["type"] in _HEADS:
                message = {**message, "headers": self._follow(verdict, list(message.get("headers", ())))}
            await send(message)

        await self._app(passed, receive, follow)

    def _follow(self, verdict: Verdict, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """End the session if the shop says so, else hand the buyer the renewed pass, if there is one."""
        ended = [value for name, value in headers if name.lower() == _END]
        cookie = self._gate.end(verdict, ended[0].decode("latin-1")) if ended else self._gate.cookie(verdict)
        kept = [(name, value) for name, value in headers if name.lower() != _END]
        if cookie is None:
            return kept
        told = ", ".join(value.decode("latin-1") for name, value in kept if name.lower() == b"cache-control")
        own = [
            (name, value)
            for name, value in kept
            if name.lower() != b"cache-control" and not is_for_shared_caches(name.decode("latin-1"))
        ]
        control = private_form(told).encode("latin-1")
        return [*own, (b"cache-control", control), (b"set-cookie", cookie.encode("latin-1"))]


def _asked(scope: Scope) -> Asked:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"], safe="/")
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(
        method=scope.get("method", "GET"),
        hosts=tuple(_values(scope, b"host")),
        target=f"{path}?{query}" if query else path,
        cookie="; ".join(_values(scope, b"cookie")),  # HTTP/2 may send cookies one by one
        accept=", ".join(_values(scope, b"accept")),
        headers=frozenset(name.decode("latin-1").lower().replace("_", "-") for name, _ in scope["headers"]),
    )


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]


async def _answer(kind: str, answer: Answer, receive: Receive, send: Send) -> None:
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _NOT_ADMITTED, "reason": "not admitted"})
        return
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
