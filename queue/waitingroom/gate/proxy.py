"""The gate as a reverse proxy: judges each request and checks its pass; what is let through goes to the shop by `forwarding`.

What is forwarded is the raw target that was judged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import aiohttp
from aiohttp import hdrs, web

from rulebook import Onsale
from waitingroom.gate.answers import closing, response_of
from waitingroom.gate.arrival import Arrival
from waitingroom.gate.checkpoint import Allowed, Checkpoint
from waitingroom.gate.counts import Counts
from waitingroom.gate.forwarding import Forwarding
from waitingroom.gate.guard import Guard
from waitingroom.gate.headers import REQUEST_ID_HEADER, Peer, forwarded_host, request_headers
from waitingroom.gate.incoming import RequestRefused, check_request
from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.requestids import REQUEST_ID, keep_request_id
from waitingroom.gate.reserved import is_reserved
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.turnaway import problem_answer, room_address, send_to_line
from waitingroom.gate.unnamed import UnnamedHosts
from waitingroom.gate.upstreams import Upstreams
from waitingroom.room import Room

_FOR_PROXIES = frozenset({hdrs.METH_CONNECT, hdrs.METH_TRACE})
"""A shop which answered TRACE would show a page's scripts the cookies that are kept from them; CONNECT asks for a tunnel."""
_REFUSED_METHOD = problem_answer(405, "Method not allowed", "This gate takes no CONNECT and no TRACE.")
_NOT_ALLOWED = replace(
    _REFUSED_METHOD,
    headers=(*_REFUSED_METHOD.headers, ("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")),
)


class ProxyGate:
    """Handles every request that comes to the gate's own address.

    `arrival` serves the reserved path there; without it, as for a room on the shop's own host, the path is like any other.
    """

    def __init__(
        self,
        guard: Guard,
        checkpoint: Checkpoint,
        rooms: Mapping[str, Room],
        sessions: Sessions,
        upstreams: Upstreams,
        session: aiohttp.ClientSession,
        arrival: Arrival | None = None,
        *,
        trusted: TrustedProxies,
        room_url: str,
        secure_cookies: bool,
        limits: ProxyLimits,
    ) -> None:
        self._guard = guard
        self._checkpoint = checkpoint
        self._rooms = rooms
        self._arrival = arrival
        self.counts = Counts()
        self._unnamed = UnnamedHosts()
        self._trusted = trusted
        self._room_url = room_url
        self._shop = Forwarding(
            upstreams, session, sessions, self.counts, secure_cookies=secure_cookies, limits=limits
        )
        self.exchanges = self._shop.exchanges

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Let a request through to the shop, send its buyer to the line, or refuse what is malformed."""
        request_id = keep_request_id(request, self._trusted)
        if request.method in _FOR_PROXIES:
            self.counts.refuse("request", "request")
            return closing(_NOT_ALLOWED)
        try:
            host = check_request(request.method, request.raw_path, request.version, request.headers)
            if self._arrival is not None and is_reserved(request.raw_path):
                return await self._arrival.reserved(request)
            peer = Peer(request.remote, self._trusted.holds(request.remote), request.scheme)
            onsale = self._judge(request, host, peer)
        except RequestRefused as refused:
            self.counts.refuse(str(refused), "request")
            return closing(problem_answer(400, "Bad request", f"Refused: {refused}."))
        allowed: Allowed | None = None
        if onsale is not None:
            allowed = self._checkpoint.check(onsale, request.headers.get("Cookie"), time.time())
            if allowed is None:
                self.counts.queued += 1
                return self._send_to_line(request, onsale)
            self.counts.allowed += 1
        else:
            self.counts.free += 1
        admission = allowed.admission if allowed else None
        headers = request_headers(request.headers, host, peer, admission, request_id)
        return await self._shop.forward(request, headers, onsale, allowed)

    async def complete(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Name the request's id in an answer, whoever gives it; the shop's own word for it is replaced."""
        response.headers[REQUEST_ID_HEADER] = keep_request_id(request, self._trusted)

    def _judge(self, request: web.Request, host: str, peer: Peer) -> Onsale | None:
        hosts = tuple(dict.fromkeys([host, forwarded_host(request.headers, peer) or host]))
        judgement = self._guard.judge_request(
            request.method, hosts, request.raw_path.partition("?")[0], request.headers
        )
        if judgement.refused:
            raise RequestRefused(judgement.refused)
        onsale = judgement.onsale
        if onsale is None or self._guard.is_outside(onsale, time.time()):
            return None
        if judgement.unnamed:
            self._unnamed.note(judgement, request[REQUEST_ID])
        return onsale

    def _send_to_line(self, request: web.Request, onsale: Onsale) -> web.Response:
        room = self._rooms.get(onsale.name)
        waiting = room.snapshot.waiting if room and room.snapshot else None
        address = room_address(self._room_url, onsale, request.method, request.raw_path)
        return response_of(send_to_line(request.headers.get("Accept", ""), address, waiting=waiting))
