"""Takes a request that was let through to a replica of the shop, and the answer back, as plain HTTP or as a WebSocket.

Bodies are passed on as they come, both ways. A replica that cannot be reached is left for another one, as long as nothing of the
request has been sent. When the buyer goes away the handler is cancelled, and the request to the shop with it. Who may come is
not judged here.
"""

from __future__ import annotations

import time
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from rulebook import Onsale
from waitingroom.gate.answers import closing, response_of
from waitingroom.gate.body import BuyerBody
from waitingroom.gate.checkpoint import Allowed
from waitingroom.gate.counts import Counts, Exchanges
from waitingroom.gate.headers import END_HEADER, AnswerRefused, answer_headers, websocket_headers
from waitingroom.gate.incoming import is_websocket
from waitingroom.gate.limits import ProxyLimits
from waitingroom.gate.privacy import keep_to_buyer
from waitingroom.gate.requestids import REQUEST_ID
from waitingroom.gate.sessions import Sessions
from waitingroom.gate.stay import Stay
from waitingroom.gate.taking import NothingTaken, take
from waitingroom.gate.turnaway import problem_answer
from waitingroom.gate.upstreams import Upstream, Upstreams
from waitingroom.gate.websocket import join
from waitingroom.store.client import EndKind

_NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_CHUNK_BYTES = 65_536
_SKIP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # of the client library's own

log = structlog.get_logger(__name__)


class Forwarding:
    """The way to the shop, by `session`, a `shop_client` of the same limits.

    `counts` is the gate's, for requests which turn out too large or broken on their way there.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        session: aiohttp.ClientSession,
        sessions: Sessions,
        counts: Counts,
        *,
        secure_cookies: bool,
        limits: ProxyLimits,
    ) -> None:
        self._upstreams = upstreams
        self._session = session
        self._sessions = sessions
        self._counts = counts
        self.exchanges = Exchanges()
        self._secure = secure_cookies
        self._limits = limits

    async def forward(
        self, request: web.Request, headers: CIMultiDict[str], onsale: Onsale | None, allowed: Allowed | None
    ) -> web.StreamResponse:
        """Ask the shop with these headers, and pass its answer on; `allowed` is the admission that `onsale` needed."""
        if (
            self._limits.max_body_bytes is not None
            and (request.content_length or 0) > self._limits.max_body_bytes
        ):
            self._counts.refuse("too_large")
            return closing(_TOO_LARGE)
        tried: frozenset[str] = frozenset()
        while True:
            upstream = self._upstreams.choose(tried)
            if upstream is None:
                return response_of(_UNREACHABLE)
            upstream.under_way += 1
            try:
                if is_websocket(request.headers):
                    return await self._join(request, upstream, headers, onsale, allowed)
                return await self._exchange(request, upstream, headers, allowed)
            except _NOT_REACHED as error:
                self.exchanges.errors["unreachable"] += 1
                tried |= {str(upstream.url)}
                log.warning("upstream_unreachable", **_about(request, upstream, allowed), reason=str(error))
            except (aiohttp.ClientError, TimeoutError, AnswerRefused) as error:
                # Something may have been done there already: only the buyer can know whether to ask again.
                reason = f"{type(error).__name__}: {str(error)[:200]}"
                log.warning("upstream_failed", **_about(request, upstream, allowed), reason=reason)
                late = isinstance(error, TimeoutError)
                self.exchanges.errors["timed_out" if late else "failed"] += 1
                return response_of(_TIMED_OUT if late else _FAILED)
            finally:
                upstream.under_way -= 1

    async def _exchange(
        self, request: web.Request, upstream: Upstream, headers: CIMultiDict[str], allowed: Allowed | None
    ) -> web.StreamResponse:
        body = BuyerBody(request.content, self._limits.max_body_bytes, self._limits.body_s)
        began = time.perf_counter()
        try:
            async with self._session.request(
                request.method,
                _target(upstream, request),
                headers=headers,
                data=body.chunks() if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=_SKIP,
            ) as answer:
                self.exchanges.answered(time.perf_counter() - began)
                if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
                    raise AnswerRefused("the shop switches protocols unasked")
                return await self._pass_on(request, upstream, answer, allowed)
        except aiohttp.ClientError:
            if body.problem is None:
                raise
            too_large = body.problem is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            self._counts.refuse("too_large" if too_large else "request")
            return closing(_STOPPED[body.problem])

    async def _pass_on(
        self,
        request: web.Request,
        upstream: Upstream,
        answer: aiohttp.ClientResponse,
        allowed: Allowed | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(answer_headers(answer.headers))
        self._follow_session(response, allowed, answer.headers.get(END_HEADER))
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                await take(response.write(chunk), self._limits.body_s)
            await take(response.write_eof(), self._limits.body_s)
        except (ConnectionResetError, NothingTaken) as error:
            log.debug("buyer_gone", **_about(request, upstream, allowed), reason=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()  # closed, it would wait for the buyer to take what is left
        except (aiohttp.ClientError, TimeoutError) as error:
            # The answer has begun: cutting the connection is the only way to say that it is not whole.
            self.exchanges.errors["broke_off"] += 1
            about = _about(request, upstream, allowed)
            log.warning("upstream_broke_off", **about, reason=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _join(
        self,
        request: web.Request,
        upstream: Upstream,
        headers: CIMultiDict[str],
        onsale: Onsale | None,
        allowed: Allowed | None,
    ) -> web.StreamResponse:
        """Shake hands with the shop first, so that the buyer is told in plain HTTP if it declines."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        try:
            shop = await self._session.ws_connect(
                _target(upstream, request),
                headers=websocket_headers(headers),
                protocols=[name.strip() for name in offered.split(",") if name.strip()],
                autoclose=False,
                autoping=False,
                max_msg_size=self._limits.max_message_bytes,
            )
        except aiohttp.WSServerHandshakeError as error:
            self.exchanges.errors["declined"] += 1
            declined = error.status if 400 <= error.status < 500 else HTTPStatus.BAD_GATEWAY.value
            return response_of(problem_answer(declined, "Declined", "The shop opens no WebSocket here."))
        async with shop:
            buyer = web.WebSocketResponse(
                protocols=[shop.protocol] if shop.protocol else [],
                autoclose=False,
                autoping=False,
                compress=False,
                max_msg_size=self._limits.max_message_bytes,
            )
            self._follow_session(buyer, allowed, None)
            await buyer.prepare(request)
            transport = request.transport  # once it is closing, the request names none
            stay = None
            if onsale is not None and allowed is not None:
                stay = Stay(allowed.admission, self._sessions, onsale.spec.session.length_s)

            def cut() -> None:
                if transport is not None:
                    transport.abort()

            self.exchanges.websockets += 1
            try:
                await join(buyer, shop, stay, self._limits, cut)
            finally:
                self.exchanges.websockets -= 1
            return buyer

    def _follow_session(
        self, response: web.StreamResponse, allowed: Allowed | None, ended: str | None
    ) -> None:
        """End the session if the shop says so, else hand the buyer the renewed pass, if there is one."""
        if allowed is None:
            return
        if ended is not None:
            kind: EndKind = "abandon" if ended.strip().lower() == "abandon" else "complete"
            self._sessions.end(allowed.admission.onsale, allowed.admission.session, kind)
            cookie: str | None = allowed.expired_cookie(secure=self._secure)
        else:
            cookie = allowed.cookie(time.time(), secure=self._secure)
        if cookie is not None:
            keep_to_buyer(response.headers, cookie)


def _target(upstream: Upstream, request: web.Request) -> URL:
    return URL(str(upstream.url).rstrip("/") + request.raw_path, encoded=True)


def _about(request: web.Request, upstream: Upstream, allowed: Allowed | None) -> dict[str, str]:
    """Return what a log line of an exchange concerns."""
    onsale = {"onsale": allowed.admission.onsale} if allowed else {}
    return {"upstream": str(upstream.url), "request_id": request[REQUEST_ID], **onsale}


_TOO_LARGE = problem_answer(413, "Too large", "The body is larger than this gate takes.")
_STOPPED = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
    HTTPStatus.REQUEST_TIMEOUT: problem_answer(
        408, "Too slow", "The body of the request came to a standstill, or too slowly."
    ),
    HTTPStatus.BAD_REQUEST: problem_answer(400, "Bad request", "The body is malformed."),
}
_UNREACHABLE = problem_answer(
    502, "Shop unreachable", "The shop cannot be reached just now; please try again.", retry_after=2
)
_FAILED = problem_answer(502, "Shop failed", "The shop did not answer; please try again.", retry_after=2)
_TIMED_OUT = problem_answer(
    504, "Shop failed", "The shop did not answer in time; please try again.", retry_after=2
)
