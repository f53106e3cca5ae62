"""What a buyer can ask for: the page, join, status, enter and the public state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from waitingroom.errors import (
    EntryRefused,
    InvalidToken,
    JoinRefused,
    KeysUnavailable,
    MoveRefused,
    StoreUnavailable,
)
from waitingroom.gate.returning import return_address
from waitingroom.handovers import Handovers
from waitingroom.keyring import Keyring
from waitingroom.pages import Pages
from waitingroom.passes import Pass, device_hash, sign_pass
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.standing import Standing, State
from waitingroom.store.client import Claim, ClaimOutcome
from waitingroom.web.answers import state_document, status_fields
from waitingroom.web.buyer_documents import JoinBody
from waitingroom.web.cookies import (
    PLACE_COOKIE,
    YEAR_S,
    device_cookie,
    expire_cookie,
    find_cookie,
    find_device,
    new_device,
    pass_cookie,
    set_cookie,
)
from waitingroom.web.entry import REFUSED, TOKEN, EntryDesk, has_token, read_join
from waitingroom.web.negotiation import is_from_another_site, problem, wants_html
from waitingroom.web.pagedesk import ENDED, NEXT, REFRESH, RETURN, PageDesk, chosen_refresh, kept_query
from waitingroom.web.refusals import answer_refusal
from waitingroom.web.security import SHIELD

_NO_STORE = {"Cache-Control": "no-store"}
_STORE_RETRY_S = 2.0
_ADMITTED_RETRY_S = 30.0
_ENTERABLE = frozenset({State.RELEASED, State.LATE})
_NOTHING = JoinBody()
COOKIE_CHECK = "cookies"
"""In the address of the page: the device cookie has just been set, so it must be there."""


class BuyerHandlers:
    """Handlers over the rooms by name. All answers about one buyer are `no-store`."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        keyring: Keyring,
        pages: Pages,
        handovers: Handovers,
        *,
        secure_cookies: bool,
    ) -> None:
        self._rooms = rooms
        self._handovers = handovers
        self._keyring = keyring
        self._desk = PageDesk(pages, secure_cookies=secure_cookies)
        self._secure = secure_cookies
        self._entry = EntryDesk(secure_cookies=secure_cookies)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [
            web.get("/{onsale}/", self.page),
            web.post("/{onsale}/join", self.join),
            web.get("/{onsale}/status", self.status),
            web.get("/{onsale}/enter", self.enter),
            web.post("/{onsale}/enter", self.enter),
            web.get("/{onsale}/state", self.state),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The waiting page; it sets the device cookie first, so that a lost reply to a join costs nobody a place."""
        room = self._room(request)
        room.requests.page += 1
        cookie = request.headers.get("Cookie")
        device = find_device(cookie)
        place = self._find_place(room, cookie)
        moved = place is not None and room.is_moved(place)
        by_token = room.onsale.spec.entry == "token"
        if by_token and TOKEN in request.query:
            if place is None or moved:
                return await self._entry.take_token(request, room, kept_query(request))
            return self._back_to_page(request, room)
        uninvited = by_token and place is None and not has_token(request)
        if place is None and room.walk_in_now and not uninvited and ENDED not in request.query:
            return await self._walk_in(request, room, device)
        admitted = self._find_session(room, cookie) is not None
        standing = shown_standing(room, place, admitted=admitted) if place and not moved else None
        outside = (
            "moved" if moved else "uninvited" if uninvited else "ended" if ENDED in request.query else ""
        )
        refused = request.query.get(REFUSED, "missing")
        response = self._desk.answer(request, room, place, standing, outside or "outside", refused)
        if device is None:
            self._set_device(response, new_device())
        return response

    async def join(self, request: web.Request) -> web.StreamResponse:
        """Give the buyer a place, the same one again whoever repeats the request with the place or the device cookie."""
        room = self._room(request)
        room.requests.join += 1
        if is_from_another_site(request) and wants_html(request):
            return self._back_to_page(request, room)
        carried = await read_join(request)
        cookie = request.headers.get("Cookie")
        place = self._find_place(room, cookie)
        device = find_device(cookie) or new_device()
        token = find_cookie(cookie, PLACE_COOKIE)
        if place is not None and room.is_moved(place):
            # The place is another device's now. This one begins anew, as one that the store has not seen.
            place, device = None, new_device()
        if place is None or token is None:
            token, place = await self._give_place(request, room, device, carried)
        if wants_html(request):
            response = self._back_to_page(request, room)
            chosen = (await request.post()).get(REFRESH)
            if isinstance(chosen, str):
                self._desk.keep_refresh(response, room, chosen_refresh(request, chosen))
        else:
            body = f'{{"place":"{token}",{self._status_fields(room, place)}}}'
            response = web.Response(body=body, content_type="application/json", headers=_NO_STORE)
        self._set_place(response, room, token)
        self._set_device(response, device)
        return response

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Tell the buyer where they stand, from this process's copy of the counters."""
        room = self._room(request)
        room.requests.status += 1
        cookie = request.headers.get("Cookie")
        place = self._find_place(room, cookie)
        if place is None:
            return problem(
                HTTPStatus.NOT_FOUND,
                "No place",
                "This device holds no place in this line; join first.",
                reason="no_place",
            )
        if room.is_moved(place):
            raise MoveRefused("moved")
        body = "{" + self._status_fields(room, place, self._find_session(room, cookie)) + "}"
        return web.Response(body=body, content_type="application/json", headers=_NO_STORE)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Claim: exchange a released place for a pass, and go on to the shop."""
        room = self._room(request)
        room.requests.enter += 1
        cookie = request.headers.get("Cookie")
        place = self._find_place(room, cookie)
        device = find_device(cookie)
        if place is None and device is not None and room.walk_in_now:
            return await self._walk_in(request, room, device)
        if place is None or device is None or device.encode() != place.device:
            return problem(
                HTTPStatus.NOT_FOUND,
                "No place",
                "This device holds no place in this line; join first.",
                reason="no_place",
            )
        claim = await room.claim(place)
        if claim.outcome in {ClaimOutcome.ADMITTED, ClaimOutcome.AGAIN}:
            return await self._admit(request, room, place, device, claim)
        if wants_html(request):
            response = self._back_to_page(request, room, **_AFTERWARDS.get(claim.outcome, {}))
        elif claim.outcome is ClaimOutcome.MOVED:
            raise MoveRefused("moved")
        else:
            response = problem(
                HTTPStatus.CONFLICT,
                "Not your turn",
                _REASONS[claim.outcome],
                retry_after_s=room.standing(place).retry_after_s,
                state=claim.outcome.value,
            )
        if claim.outcome is ClaimOutcome.ENDED:
            # The place is used up: the next join is a new one, of a device the store has not seen.
            expired = expire_cookie(PLACE_COOKIE, path=f"/{room.name}", secure=self._secure)
            response.headers.add("Set-Cookie", expired)
            self._set_device(response, new_device())
        return response

    async def state(self, request: web.Request) -> web.StreamResponse:
        """The onsale's public state."""
        room = self._room(request)
        room.requests.state += 1
        if room.snapshot is None:
            raise StoreUnavailable("the room has not reached its store yet")
        return web.Response(
            body=state_document(room, room.snapshot),
            content_type="application/json",
            headers={"Cache-Control": "public, max-age=1", "Access-Control-Allow-Origin": "*"},
        )

    async def _walk_in(self, request: web.Request, room: Room, device: str | None) -> web.Response:
        """Join, be released and enter at once where nobody waits; whoever is too many gets a place in line.

        Only for devices which have shown that they keep cookies: a client that doesn't would take a place with every request.
        """
        if device is None:
            if COOKIE_CHECK in request.query:
                detail = (
                    "This shop is entered through its waiting room, which needs cookies to keep your place."
                )
                return problem(HTTPStatus.FORBIDDEN, "Cookies are off", detail, reason="cookies")
            response = self._back_to_page(request, room, **{COOKIE_CHECK: "1"})
            self._set_device(response, new_device())
            return response
        refused = request.app[SHIELD].limit_joins(request)
        if refused is not None:
            return refused
        token, place = await self._give_place(request, room, device)
        # The claim releases what is due first, so this place too if a token is there.
        claim = await room.claim(place)
        if claim.outcome in {ClaimOutcome.ADMITTED, ClaimOutcome.AGAIN}:
            response = await self._admit(request, room, place, device, claim)
        elif wants_html(request):
            response = self._back_to_page(request, room)
        else:
            reason = _REASONS[claim.outcome]
            response = problem(
                HTTPStatus.CONFLICT, "Not your turn", reason, retry_after_s=1.0, state="waiting"
            )
        self._set_place(response, room, token)
        return response

    async def _give_place(
        self, request: web.Request, room: Room, device: str, carried: JoinBody = _NOTHING
    ) -> tuple[str, Place]:
        if room.onsale.spec.entry == "token":
            return await self._entry.join(request, room, device, carried)
        return await room.join(device)

    def _back_to_page(self, request: web.Request, room: Room, **query: str) -> web.Response:
        location = URL(f"/{room.name}/").with_query({**kept_query(request), **query})
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={**_NO_STORE, "Location": str(location)})

    def _set_place(self, response: web.Response, room: Room, token: str) -> None:
        response.headers.add("Set-Cookie", self._cookie(PLACE_COOKIE, token, f"/{room.name}", YEAR_S))
        if room.onsale.spec.entry == "token":
            response.headers.add("Set-Cookie", self._entry.forget(room))

    async def _admit(
        self, request: web.Request, room: Room, place: Place, device: str, claim: Claim
    ) -> web.Response:
        # The pass is dated by this host's clock, as gates check it by theirs; the length is what the store granted.
        now = int(time.time())
        length = max(1, int(claim.expires_at_s - claim.at_s))
        ends = now + max(1, int(claim.ends_at_s - claim.at_s))
        session = room.session_of(place)
        admission = Pass(session, room.name, device_hash(device), now, min(now + length, ends), ends)
        wanted = return_address(room.onsale.spec.shop, request.query.get(RETURN))
        shop = await self._handovers.lead(room, admission, wanted)
        if wants_html(request):
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**_NO_STORE, "Location": shop})
        else:
            response = web.json_response(
                {
                    "state": "admitted",
                    "location": shop,
                    "session": session,
                    "expires": admission.expires_at_s,
                },
                headers=_NO_STORE,
            )
        token = sign_pass(admission, self._keyring)
        response.headers.add("Set-Cookie", self._cookie(pass_cookie(room.name), token, "/", ends - now))
        return response

    def _status_fields(self, room: Room, place: Place, session: str | None = None) -> str:
        standing = shown_standing(room, place, admitted=session is not None)
        assert room.snapshot is not None  # noqa: S101 - `standing` raises without one
        return status_fields(room, room.snapshot, place.number, place.epoch, standing)

    def _room(self, request: web.Request) -> Room:
        room = self._rooms.get(request.match_info["onsale"])
        if room is None:
            raise web.HTTPNotFound(text="no such onsale")
        return room

    def _find_place(self, room: Room, cookie: str | None) -> Place | None:
        token = find_cookie(cookie, PLACE_COOKIE)
        if not token:
            return None
        try:
            return room.place(token)
        except InvalidToken:
            return None

    def _find_session(self, room: Room, cookie: str | None) -> str | None:
        """Tell which session the buyer's pass names; it only changes what is shown, the gate is who checks it."""
        return find_cookie(cookie, pass_cookie(room.name)) or None

    def _set_device(self, response: web.Response, device: str) -> None:
        name = device_cookie(secure=self._secure)
        response.headers.add("Set-Cookie", self._cookie(name, device, "/", YEAR_S))

    def _cookie(self, name: str, value: str, path: str, max_age_s: int) -> str:
        return set_cookie(name, value, path=path, max_age_s=max_age_s, secure=self._secure)


def shown_standing(room: Room, place: Place, *, admitted: bool) -> Standing:
    """Return what the buyer is shown; `admitted` is one whose browser holds a pass.

    Raises:
        StoreUnavailable: there is no copy of the counters yet.
    """
    standing = room.standing(place)
    if admitted and standing.state in _ENTERABLE:
        return Standing(State.ADMITTED, standing.position, 0, None, _ADMITTED_RETRY_S)
    return standing


_AFTERWARDS = {ClaimOutcome.LATE: {NEXT: "1"}, ClaimOutcome.ENDED: {ENDED: "1"}}
"""What the page is told of a claim that let nobody in."""
_REASONS = {
    ClaimOutcome.WAITING: "Others are before you.",
    ClaimOutcome.LATE: "The time to enter had passed; your place is kept and you are next in turn.",
    ClaimOutcome.ENDED: "This place was used, and its stay in the shop is over.",
    ClaimOutcome.MOVED: "This place was moved to another device.",
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn this package's errors into problems; the page retries by itself."""
    try:
        return await handler(request)
    except (StoreUnavailable, JoinRefused) as error:
        return error_answer(error)
    except (EntryRefused, KeysUnavailable, MoveRefused) as refused:
        return answer_refusal(request, refused)
    except web.HTTPNotFound as missing:
        return problem(HTTPStatus.NOT_FOUND, "Not found", missing.text or "Nothing is here.")


def error_answer(error: StoreUnavailable | JoinRefused) -> web.Response:
    """Tell the buyer what is the matter, and when to try again."""
    if isinstance(error, JoinRefused):
        return problem(
            HTTPStatus.FORBIDDEN,
            "Not open",
            f"Joining is {error.reason}.",
            retry_after_s=30.0,
            reason=error.reason,
        )
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Please wait a moment",
        "The waiting room cannot give out places just now. Your place, if you have one, is safe.",
        retry_after_s=_STORE_RETRY_S,
    )
