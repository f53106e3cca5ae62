"""Serves `/.tidegate/enter` on the shop's host, in the room's application and in the reverse proxy: a code for cookies."""

from __future__ import annotations

import time

from aiohttp import hdrs, web

from waitingroom.errors import StoreUnavailable
from waitingroom.gate.answers import response_of
from waitingroom.gate.arriving import let_in, refuse
from waitingroom.gate.handover import Code, code_in, is_at_shop
from waitingroom.gate.reserved import ENTER_PATH
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.turnaway import Answer, problem_answer
from waitingroom.handovers import HandoverRefused, Handovers
from waitingroom.passes import device_hash
from waitingroom.web.cookies import find_device, new_device
from waitingroom.web.limits import Limit


class Arrival:
    """Lets buyers in who come with a code; `codes` limits how many each client may try that let nobody in."""

    def __init__(
        self, handovers: Handovers, trusted: TrustedProxies, codes: Limit, *, secure_cookies: bool
    ) -> None:
        self._handovers = handovers
        self._trusted = trusted
        self._codes = codes
        self._secure = secure_cookies

    def routes(self) -> list[web.RouteDef]:
        """Return the route, for proxies which send the reserved path to the room."""
        return [web.route("*", ENTER_PATH, self.reserved)]

    async def enter(self, request: web.Request) -> web.Response:
        """Exchange the code in the address."""
        return response_of(await self._enter(request))

    async def reserved(self, request: web.Request) -> web.Response:
        """Answer any request under the reserved path: the proxy has no routes, and the room knows `/{onsale}/enter`, too."""
        if request.raw_path.partition("?")[0] != ENTER_PATH:
            return response_of(problem_answer(404, "Not found", "Nothing is here."))
        if request.method != hdrs.METH_GET:  # a HEAD would use the code up and bring its buyer nothing
            answer = problem_answer(405, "Method not allowed", "This address is read with GET.")
            return response_of(Answer(answer.status, (*answer.headers, ("Allow", "GET")), answer.body))
        return await self.enter(request)

    async def _enter(self, request: web.Request) -> Answer:
        accept = request.headers.get("Accept", "")
        code = code_in(request.raw_path)
        if code is None:
            return refuse("malformed", accept, None)
        shop = self._handovers.shop_of(code.onsale)
        room = f"{self._handovers.room_url.rstrip('/')}/{code.onsale}/" if shop else None
        if shop is not None and not is_at_shop(shop, self._hosts(request)):
            return refuse("elsewhere", accept, None)
        # Counted before it is looked up: many at once must not slip through while the store is asked.
        wait_s = self._codes.take(request)
        if wait_s > 0.0:
            self._handovers.counts["limited"] += 1
            return refuse("limited", accept, room)
        try:
            answer = await self._take(code, request.headers.get("Cookie"))
            self._codes.give_back(request)
            return answer
        except HandoverRefused as refused:
            return refuse(refused.reason, accept, room)
        except StoreUnavailable:
            return refuse("unavailable", accept, room)

    async def _take(self, code: Code, cookie: str | None) -> Answer:
        # A device which holds passes of other onsales at this host keeps its name, or they would hold no more.
        known = find_device(cookie, secure=self._secure)
        device = known or new_device()
        taken = await self._handovers.take(code, device_hash(device))
        return let_in(
            code.onsale,
            taken.token,
            device,
            taken.location,
            stay_s=taken.admission.ends_at_s - time.time(),
            known=known is not None,
            secure=self._secure,
        )

    def _hosts(self, request: web.Request) -> list[str]:
        hosts = list(request.headers.getall("Host", ()))
        if self._trusted.holds(request.remote):
            hosts += request.headers.getall("X-Forwarded-Host", ())
        return hosts
