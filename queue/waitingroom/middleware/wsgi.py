"""The gate before a WSGI application. `environ["tidegate.pass"]` holds the pass that let a request in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from waitingroom.gate.headers import END_HEADER
from waitingroom.gate.privacy import is_for_shared_caches, private_form
from waitingroom.middleware.checker import Asked, Verdict
from waitingroom.middleware.offline import OfflineGate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STATE = "tidegate.pass"
_OURS = "HTTP_X_TIDEGATE_"


class WsgiGate:
    """Wraps an application."""

    def __init__(self, app: WSGIApplication, gate: OfflineGate) -> None:
        self._app = app
        self._gate = gate

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Check a request."""
        verdict = self._gate.check(_asked(environ))
        answer = verdict.answer
        if answer is not None:
            status = HTTPStatus(answer.status)
            length = ("Content-Length", str(len(answer.body)))
            start_response(f"{status.value} {status.phrase}", [*answer.headers, length])
            return [answer.body]
        passed = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
        for name, value in verdict.headers():
            passed["HTTP_" + name.upper().replace("-", "_")] = value
        passed[_STATE] = verdict.admission
        if verdict.admission is None:
            return self._app(passed, start_response)

        def follow(status: str, headers: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            return start_response(status, self._follow(verdict, headers), *more)

        return self._app(passed, follow)

    def _follow(self, verdict: Verdict, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """End the session if the shop says so, else hand the buyer the renewed pass, if there is one."""
        ended = [value for name, value in headers if name.lower() == END_HEADER.lower()]
        cookie = self._gate.end(verdict, ended[0]) if ended else self._gate.cookie(verdict)
        kept = [(name, value) for name, value in headers if name.lower() != END_HEADER.lower()]
        if cookie is None:
            return kept
        told = ", ".join(value for name, value in kept if name.lower() == "cache-control")
        own = [
            (name, value)
            for name, value in kept
            if name.lower() != "cache-control" and not is_for_shared_caches(name)
        ]
        return [*own, ("Cache-Control", private_form(told)), ("Set-Cookie", cookie)]


def _asked(environ: WSGIEnvironment) -> Asked:
    # Servers hand on the path decoded, one character a byte. It is judged as such: encoded again, to be decoded once.
    path = (
        quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"), safe="/")
        or "/"
    )
    query = environ.get("QUERY_STRING", "")
    return Asked(
        method=environ.get("REQUEST_METHOD", "GET"),
        hosts=(environ.get("HTTP_HOST") or environ.get("SERVER_NAME", ""),),
        target=f"{path}?{query}" if query else path,
        cookie=environ.get("HTTP_COOKIE", ""),
        accept=environ.get("HTTP_ACCEPT", ""),
        headers=frozenset(name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_")),
    )
