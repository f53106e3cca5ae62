"""What holds for every request and answer of the room: request ids, security headers, CORS, limits on what clients send.

Problems leave as problem+json (RFC 9457), whatever raised them. The gate's own paths are exempt from the limits on bodies: a
proxy may hand on the buyer's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestPayloadError
from multidict import CIMultiDict
from yarl import URL

from waitingroom.gate.headers import REQUEST_ID_HEADER
from waitingroom.gate.requestids import REQUEST_ID, find_request_id
from waitingroom.gate.trust import TrustedProxies
from waitingroom.room import Room
from waitingroom.web.limits import Clients, Limit
from waitingroom.web.negotiation import is_from_a_neighbour, is_from_another_site, problem
from waitingroom.web.whole import lines

BODY_WITHIN_S = 10.0
_REPORT_EVERY_S = 60.0
_CLAIM_RETRY_S = 1.0
_EXEMPT = "/gate/"
_FORM = "application/x-www-form-urlencoded"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = "Content-Security-Policy"
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-Id",
    "Access-Control-Max-Age": "600",
}

log = structlog.get_logger(__name__)


class Shield:
    """Stands around an application; `install` puts it there. `joins` and `claims` limit what each client may do of either."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        trusted: TrustedProxies,
        joins: Limit,
        claims: Limit,
        *,
        https: bool,
        body_within_s: float = BODY_WITHIN_S,
    ) -> None:
        self._rooms = rooms
        self._trusted = trusted
        self._clients = Clients(trusted)
        self._joins = joins
        self._claims = claims
        self._headers = CIMultiDict({**_ALWAYS, **(_HTTPS_ONLY if https else {})})
        self.always = lines([*self._headers.items(), (_POLICY, _NOTHING)])
        """What `complete` adds to each answer that holds no page, as lines of a head."""
        self._body_within_s = body_within_s
        self._origins: dict[str, str] = {}
        self._report_after_s = 0.0

    def install(self, app: web.Application) -> None:
        """Put the shield around `app`, outside of all its middlewares."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app[SHIELD] = self
        app.middlewares.insert(0, guard)
        app.on_response_prepare.append(self.complete)

    def own_lines(self, request: web.BaseRequest) -> str:
        """Return what `complete` adds to the answer to this very request, as lines of a head."""
        text = f"{REQUEST_ID_HEADER}: {find_request_id(request, self._trusted)}\r\n"
        if hdrs.ORIGIN in request.headers:
            text += lines(self._sharing(request))
        return text

    def limit_joins(self, request: web.BaseRequest) -> web.Response | None:
        """Take a join of this client into account; the answer if it has to wait."""
        wait_s = self._joins.take(request)
        if wait_s == 0.0:
            return None
        self._report_limit(request, joins=True)
        return problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many joins",
            "Too many joined from your network at once; no place was lost. Please try again.",
            retry_after_s=wait_s,
        )

    def limit_claims(self, request: web.BaseRequest) -> web.Response | None:
        """Take a claim of this client into account, ahead of its outcome; the answer if it has to wait."""
        wait_s = self._claims.take(request)
        if wait_s == 0.0:
            return None
        self._report_limit(request, joins=False)
        return problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many tries",
            "Too many tried to enter from your network at once; your place is kept. Please try again.",
            retry_after_s=max(_CLAIM_RETRY_S, wait_s),
        )

    def forgive_claim(self, request: web.BaseRequest) -> None:
        """Take a claim back that let its buyer in: a place does that once, so nobody can make many of them."""
        self._claims.give_back(request)

    def is_from_elsewhere(self, request: web.BaseRequest) -> bool:
        """Tell whether a page that is neither ours nor the onsale's shop's made the browser send this."""
        return is_from_another_site(request) and not self._is_shop(request)

    def is_by_others(self, request: web.BaseRequest) -> bool:
        """Tell whether a page of another site, or of a neighbour that is not the onsale's shop, made the browser send this."""
        return is_from_another_site(request) or (is_from_a_neighbour(request) and not self._is_shop(request))

    def defect(self, request: web.BaseRequest) -> web.Response:
        """Log the exception being handled, and return the answer."""
        log.exception("request_failed", path=request.path, request_id=request.get(REQUEST_ID))
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Defect",
            "Something went wrong here; the request id helps to find it.",
        )

    async def complete(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Add what every answer carries."""
        headers = response.headers
        if _POLICY not in headers:
            headers[_POLICY] = _NOTHING
        headers.update(self._headers)
        headers[REQUEST_ID_HEADER] = request.get(REQUEST_ID) or find_request_id(request, self._trusted)
        if hdrs.ORIGIN in request.headers and "Access-Control-Allow-Origin" not in headers:
            headers.extend(self._sharing(request))

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = find_request_id(request, self._trusted)
        try:
            if request.method == hdrs.METH_GET:
                return await handler(request)
            if request.method == hdrs.METH_OPTIONS and "Access-Control-Request-Method" in request.headers:
                return self._preflight(request)
            if request.method == hdrs.METH_POST and not request.path.startswith(_EXEMPT):
                # A join that a page elsewhere makes gets no place, so it must not use up the joins of its visitor either.
                joins = request.path.endswith("/join") and not self.is_from_elsewhere(request)
                refused = self.limit_joins(request) if joins else None
                refused = refused or await self._read_body(request)
                if refused is not None:
                    return refused
            return await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            return _as_problem(error)
        except Exception:
            return self.defect(request)

    def _report_limit(self, request: web.BaseRequest, *, joins: bool) -> None:
        """Say so once a minute: many buyers of one address may mean a proxy that is missing among the trusted ones."""
        now_s = time.monotonic()
        if now_s >= self._report_after_s:
            self._report_after_s = now_s + _REPORT_EVERY_S
            client = self._clients.client(request.remote, request.headers)
            advice = "is this a proxy? then name it a trusted one"
            log.warning("joins_limited" if joins else "claims_limited", client=client, advice=advice)

    async def _read_body(self, request: web.Request) -> web.Response | None:
        """Read the whole body (the application bounds its size), so that no handler waits for a slow client."""
        if not request.body_exists:
            return None
        try:
            async with asyncio.timeout(self._body_within_s):
                await request.read()
            if request.content_type == _FORM:
                await request.post()  # kept with the request: handlers get a form that could be read
            elif request.content_type.startswith("multipart/"):
                detail = f"A form is sent as {_FORM}, not in parts."
                response = problem(HTTPStatus.BAD_REQUEST, "Bad request", detail)
                response.force_close()
                return response
        except TimeoutError:
            response = problem(
                HTTPStatus.REQUEST_TIMEOUT, "Too slow", "The body of the request did not arrive in time."
            )
        except (ConnectionError, RequestPayloadError):
            # Malformed, or the client has gone: it is no defect, and nobody may fill the log with it.
            response = problem(HTTPStatus.BAD_REQUEST, "Bad request", "The body of the request is not whole.")
        except (LookupError, ValueError):
            # Of names of encodings, those which nobody knows and those which no name can be.
            detail = "The form is not text in the encoding that it names; send it in UTF-8."
            response = problem(HTTPStatus.BAD_REQUEST, "Bad request", detail)
        else:
            return None
        response.force_close()
        return response

    def _preflight(self, request: web.Request) -> web.Response:
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        if self._is_shop(request):
            response.headers.update(_PREFLIGHT)
        return response

    def _sharing(self, request: web.BaseRequest) -> list[tuple[str, str]]:
        """Return the headers which let a page of the shop read the answer, or tell caches that others may not."""
        headers = [("Vary", "Origin")]
        if self._is_shop(request):
            headers += [
                ("Access-Control-Allow-Origin", request.headers[hdrs.ORIGIN]),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", f"Retry-After, {REQUEST_ID_HEADER}"),
            ]
        return headers

    def _is_shop(self, request: web.BaseRequest) -> bool:
        """Tell whether the request comes from a page of the shop of the very onsale it is about."""
        room = self._rooms.get(request.path.lstrip("/").partition("/")[0])
        if room is None:
            return False
        shop = room.onsale.spec.shop
        origin = self._origins.get(shop)
        if origin is None:
            origin = self._origins[shop] = str(URL(shop).origin())
        return request.headers.get("Origin") == origin


SHIELD = web.AppKey("shield", Shield)


def _as_problem(error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    detail = error.text if error.text and not error.text.startswith(str(error.status)) else status.description
    response = problem(status, status.phrase, detail or status.phrase)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
