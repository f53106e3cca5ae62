"""The gate for other proxies: `/gate/auth` for nginx and ingress-nginx, `/gate/forward` for Traefik, Envoy and Gateway API.

Both judge the buyer's own request, as a trusted proxy tells it, and ask no store. `/gate/auth` knows three answers: 200 to let
through, 401 to send to the line, 403 for what cannot be judged, so that nobody who holds a pass is sent back and forth. nginx
turns any other into a 500; even a defect of ours is a 403 there. `/gate/forward` answers buyers through the proxy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog
from aiohttp import hdrs, web

from rulebook import Onsale
from rulebook.memo import Memo
from waitingroom.gate.checkpoint import Allowed, Checkpoint
from waitingroom.gate.counts import Counts
from waitingroom.gate.guard import Guard
from waitingroom.gate.original import (
    PREFIX,
    AuthReader,
    OriginalRequest,
    UnreadableRequest,
    read_forwarded,
    read_prefixed,
)
from waitingroom.gate.requestids import keep_request_id
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.turnaway import (
    ONSALE_HEADER,
    ROOM_HEADER,
    SESSION_HEADER,
    Answer,
    problem_answer,
    room_address,
    send_to_line,
)
from waitingroom.gate.unnamed import UnnamedHosts

AUTH_PATH = "/gate/auth"
_NO_STORE = ("Cache-Control", "no-store")
_NOTHING: Mapping[str, str] = {}
_FREE = Answer(200, (_NO_STORE,))
# A session named by the buyer must not reach the shop: other proxies drop it by themselves, Envoy is told to.
_ENVOY_REMOVE = ("x-envoy-auth-headers-to-remove", f"{SESSION_HEADER}, {ONSALE_HEADER}".lower())
_FREE_BEHIND_ENVOY = Answer(200, (_NO_STORE, _ENVOY_REMOVE))
_CHALLENGE = (_NO_STORE, ("WWW-Authenticate", "Tidegate"))
_REFUSED = Answer(403, (_NO_STORE,))
_REPORTS_REMEMBERED = 256
_FORBIDDEN = problem_answer(403, "Refused", "This request cannot be judged here.")

log = structlog.get_logger(__name__)


class AuthGate:
    """Handlers for the requests of proxies. `room_url` is the room's address as buyers see it."""

    def __init__(
        self,
        guard: Guard,
        checkpoint: Checkpoint,
        trusted: TrustedProxies,
        *,
        room_url: str,
        secure_cookies: bool,
    ) -> None:
        self._guard = guard
        self._checkpoint = checkpoint
        self._unnamed = UnnamedHosts()
        self._trusted = trusted
        self._room_url = room_url
        self._secure = secure_cookies
        self._reader = AuthReader()
        self._auth_counts, self._forward_counts = Counts(), Counts()
        self._reported: Memo[bool] = Memo(_REPORTS_REMEMBERED)

    @property
    def counts(self) -> Mapping[str, Counts]:
        """What was answered, by the way of asking."""
        return {"auth": self._auth_counts, "forward": self._forward_counts}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; a proxy may ask with any method, as some keep the buyer's."""
        return [
            web.route("*", AUTH_PATH, self.auth),
            web.route("*", PREFIX, self.forward),
            web.route("*", PREFIX + "/{path:.*}", self.forward),
        ]

    async def auth(self, request: web.Request) -> web.Response:
        """Answer 200, 401 or 403, whatever happens."""
        return _response(self.answer_auth(request))

    def answer_auth(self, request: web.BaseRequest) -> Answer:
        """Return the answer of `auth` as a value, for whoever writes it."""
        try:
            return self._auth(request)
        except UnreadableRequest as error:
            return self._refuse_auth(request, str(error))
        except Exception:  # a 5xx here would be a failure page for every buyer
            log.exception("gate_failed", gate=AUTH_PATH, request_id=keep_request_id(request, self._trusted))
            return _REFUSED

    async def forward(self, request: web.Request) -> web.Response:
        """Answer 200, or as the buyer is to be answered: 303 or 429 to the line, 403 for what cannot be judged."""
        try:
            return self._forward(request)
        except UnreadableRequest as error:
            return _response(self._refuse_forward(request, str(error)))

    def _auth(self, request: web.BaseRequest) -> Answer:
        headers = request.headers
        if not self._trusted.holds(request.remote):
            return self._refuse_auth(request, "not a trusted proxy")
        counts = self._auth_counts
        original = self._reader.read(headers, _configured(request))
        onsale = self._judge(request, original)
        if onsale is None:
            counts.free += 1
            return _FREE
        allowed = self._checkpoint.check(onsale, headers.get(hdrs.COOKIE), time.time())
        if allowed is not None:
            counts.allowed += 1
            return self._passed(allowed)
        counts.queued += 1
        address = room_address(self._room_url, onsale, original.method or "GET", original.target)
        return Answer(401, (*_CHALLENGE, (ROOM_HEADER, address)))

    def _forward(self, request: web.Request) -> web.Response:
        if not self._trusted.holds(request.remote):
            return _response(self._refuse_forward(request, "not a trusted proxy"))
        counts = self._forward_counts
        original = self._read_forward(request)
        onsale = self._judge(request, original)
        if onsale is None:
            counts.free += 1
            return _response(_FREE_BEHIND_ENVOY)
        allowed = self._checkpoint.check(onsale, request.headers.get(hdrs.COOKIE), time.time())
        if allowed is not None:
            counts.allowed += 1
            return _response(self._passed(allowed))
        counts.queued += 1
        address = room_address(self._room_url, onsale, original.method or "GET", original.target)
        return _response(send_to_line(request.headers.get("Accept", ""), address))

    def _read_forward(self, request: web.Request) -> OriginalRequest:
        if request.raw_path.startswith(PREFIX + "/"):
            return read_prefixed(request.method, request.host, request.raw_path)
        return read_forwarded(request.headers, _configured(request))

    def _judge(self, request: web.BaseRequest, original: OriginalRequest) -> Onsale | None:
        judgement = self._guard.judge_request(original.method, original.hosts, original.path, request.headers)
        if judgement.refused:
            raise UnreadableRequest(judgement.refused)
        onsale = judgement.onsale
        if onsale is None or self._guard.is_outside(onsale, time.time()):
            return None
        if judgement.unnamed:
            self._unnamed.note(judgement, keep_request_id(request, self._trusted))
        return onsale

    def _passed(self, allowed: Allowed) -> Answer:
        admission = allowed.admission
        headers = (_NO_STORE, (SESSION_HEADER, admission.session), (ONSALE_HEADER, admission.onsale))
        if allowed.renewed is None:
            return Answer(200, headers)
        cookie = allowed.cookie(time.time(), secure=self._secure)
        return Answer(200, headers if cookie is None else (*headers, ("Set-Cookie", cookie)))

    def _refuse_auth(self, request: web.BaseRequest, reason: str) -> Answer:
        self._auth_counts.refuse(reason)
        self._report(AUTH_PATH, request, reason)
        return _REFUSED

    def _refuse_forward(self, request: web.Request, reason: str) -> Answer:
        self._forward_counts.refuse(reason)
        self._report(PREFIX, request, reason)
        return _FORBIDDEN

    def _report(self, gate: str, request: web.BaseRequest, reason: str) -> None:
        """Log each peer's reason once in a while, so that nobody fills the log; no header's value is in it."""
        peer = request.remote
        key = f"{gate} {peer} {reason}"
        if self._reported.get(key) is None:
            self._reported.put(key, True)
            request_id = keep_request_id(request, self._trusted)
            log.warning("gate_refused", gate=gate, peer=peer, reason=reason, request_id=request_id)


def _configured(request: web.BaseRequest) -> Mapping[str, str]:
    """Return the query of the gate's own address; mostly there is none, and parsing nothing takes its time."""
    return request.query if "?" in request.raw_path else _NOTHING


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)
