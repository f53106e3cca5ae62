"""The gate as a reverse proxy: checks the pass, then streams to the shop and back.

Bodies are passed on as they come, both ways. Hop-by-hop headers stay on their hop (RFC 9110, 7.6.1); headers which the shop
trusts are set here and never taken from the buyer. A replica that cannot be reached is left for another one, as long as nothing
of the request has been sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from rulebook import Onsale
from waitingroom.gate.checkpoint import Allowed, Checkpoint
from waitingroom.gate.guard import Guard
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.upstreams import Upstream, Upstreams
from waitingroom.room import Room
from waitingroom.web.cookies import expire_cookie, pass_cookie, set_cookie
from waitingroom.web.negotiation import problem, wants_html

SESSION_HEADER = "X-Tidegate-Session"
ONSALE_HEADER = "X-Tidegate-Onsale"
END_HEADER = "X-Tidegate-End"
"""A shop's answer with this header (`complete` or `abandon`) ends the buyer's session; it goes no further than the gate."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        END_HEADER.lower(),
    }
)
_OURS = frozenset(
    {"x-tidegate-session", "x-tidegate-onsale", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)
_CONNECT_TIMEOUT_S = 2.0
_READ_TIMEOUT_S = 60.0
_CHUNK_BYTES = 65_536
_QUEUED_RETRY_S = 5.0

log = structlog.get_logger(__name__)


class ProxyGate:
    """Handles every request that comes to the gate's own address."""

    def __init__(
        self,
        guard: Guard,
        checkpoint: Checkpoint,
        rooms: Mapping[str, Room],
        sessions: Sessions,
        upstreams: Upstreams,
        session: aiohttp.ClientSession,
        *,
        room_url: str,
        secure_cookies: bool,
    ) -> None:
        self._guard = guard
        self._checkpoint = checkpoint
        self._rooms = rooms
        self._sessions = sessions
        self._upstreams = upstreams
        self._session = session
        self._room_url = room_url.rstrip("/")
        self._secure = secure_cookies

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Let a request through to the shop, or send its buyer to the line."""
        onsale = self._guard.find(request.method, request.host, request.rel_url.raw_path)
        allowed: Allowed | None = None
        if onsale is not None and not _is_outside(onsale, time.time()):
            allowed = self._checkpoint.check(onsale, request.headers.get("Cookie"), time.time())
            if allowed is None:
                return self._send_to_line(request, onsale)
        return await self._forward(request, allowed)

    def _send_to_line(self, request: web.Request, onsale: Onsale) -> web.StreamResponse:
        location = f"{self._room_url}/{onsale.name}/"
        if wants_html(request):
            headers = {"Location": location, "Cache-Control": "no-store"}
            return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
        room = self._rooms.get(onsale.name)
        waiting = room.snapshot.waiting if room and room.snapshot else None
        return problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Waiting room",
            "This shop is entered through its waiting room; join the line there.",
            retry_after_s=_QUEUED_RETRY_S,
            location=location,
            waiting=waiting,
        )

    async def _forward(self, request: web.Request, allowed: Allowed | None) -> web.StreamResponse:
        headers = _request_headers(request, allowed)
        tried: frozenset[str] = frozenset()
        while True:
            upstream = self._upstreams.choose(tried)
            if upstream is None:
                detail = "The shop cannot be reached just now; please try again."
                return problem(HTTPStatus.BAD_GATEWAY, "Shop unreachable", detail, retry_after_s=2.0)
            upstream.under_way += 1
            try:
                return await self._exchange(request, upstream, headers, allowed)
            except aiohttp.ClientConnectorError as error:
                tried |= {str(upstream.url)}
                log.warning("upstream_unreachable", upstream=str(upstream.url), reason=str(error))
            except (aiohttp.ClientError, TimeoutError) as error:
                # Something may have been done there already: only the buyer can know whether to ask again.
                log.warning(
                    "upstream_failed", upstream=str(upstream.url), reason=f"{type(error).__name__}: {error}"
                )
                timed_out = isinstance(error, TimeoutError)
                status = HTTPStatus.GATEWAY_TIMEOUT if timed_out else HTTPStatus.BAD_GATEWAY
                return problem(
                    status, "Shop failed", "The shop did not answer; please try again.", retry_after_s=2.0
                )
            finally:
                upstream.under_way -= 1

    async def _exchange(
        self, request: web.Request, upstream: Upstream, headers: CIMultiDict[str], allowed: Allowed | None
    ) -> web.StreamResponse:
        target = URL(str(upstream.url).rstrip("/") + request.rel_url.raw_path_qs, encoded=True)
        body = request.content.iter_chunked(_CHUNK_BYTES) if request.body_exists else None
        async with self._session.request(
            request.method,
            target,
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_TIMEOUT_S, sock_read=_READ_TIMEOUT_S),
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            _copy_headers(answer.headers, response.headers)
            self._follow_session(response, allowed, answer.headers.get(END_HEADER))
            try:
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except (aiohttp.ClientError, TimeoutError) as error:
                # The answer has begun: cutting the connection is the only way to say that it is not whole.
                log.warning("upstream_broke_off", upstream=str(upstream.url), reason=type(error).__name__)
                if request.transport is not None:
                    request.transport.close()
            return response

    def _follow_session(
        self, response: web.StreamResponse, allowed: Allowed | None, ended: str | None
    ) -> None:
        """End the session if the shop says so, else hand the buyer the renewed pass, if there is one."""
        if allowed is None:
            return
        admission = allowed.admission
        if ended is not None:
            self._sessions.end(admission.onsale, admission.session)
            cookie = expire_cookie(pass_cookie(admission.onsale), path="/", secure=self._secure)
            response.headers.add("Set-Cookie", cookie)
            return
        if allowed.renewed is None:
            return
        cookie = set_cookie(
            pass_cookie(admission.onsale),
            allowed.renewed,
            path="/",
            max_age_s=max(1, int(admission.ends_at_s - time.time())),
            secure=self._secure,
        )
        response.headers.add("Set-Cookie", cookie)


def _is_outside(onsale: Onsale, now_s: float) -> bool:
    """Tell whether the onsale leaves the shop open to all at `now_s`: before its pre-queue or after its closing."""
    if onsale.spec.outside == "deny":
        return False
    begins: datetime | None = onsale.spec.prequeue or onsale.spec.opens
    closes = onsale.spec.closes
    return (begins is not None and now_s < begins.timestamp()) or (
        closes is not None and now_s >= closes.timestamp()
    )


def _request_headers(request: web.Request, allowed: Allowed | None) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        lower = name.lower()
        # `X_Tidegate_Session` is the same header to a CGI or WSGI shop: only names without underscores pass.
        if lower in _HOP_BY_HOP or lower in _OURS or lower in named or "_" in name:
            continue
        headers.add(name, value)
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    if request.remote:
        headers["X-Forwarded-For"] = request.remote
    if allowed is not None:
        headers[SESSION_HEADER] = allowed.admission.session
        headers[ONSALE_HEADER] = allowed.admission.onsale
    return headers


def _copy_headers(source: Mapping[str, str], target: CIMultiDict[str]) -> None:
    named = {name.strip().lower() for name in source.get("Connection", "").split(",")}
    for name, value in source.items():
        lower = name.lower()
        if lower not in _HOP_BY_HOP and lower not in named:
            target.add(name, value)
