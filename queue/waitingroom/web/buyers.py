"""What a buyer can ask for: the page, join, status, enter and the public state."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import hdrs, web

from waitingroom.errors import MoveRefused, StoreUnavailable
from waitingroom.handovers import Handovers
from waitingroom.keyring import Keyring
from waitingroom.pages import Pages
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.standing import Standing, State
from waitingroom.web.answers import state_document, status_fields
from waitingroom.web.cookies import PLACE_COOKIE, find_cookie, find_device, new_device
from waitingroom.web.entering import Doorway
from waitingroom.web.entry import TOKEN, has_token, read_join
from waitingroom.web.negotiation import is_from_another_site, problem, wants_html
from waitingroom.web.pagedesk import ENDED, REFRESH, REFUSED, PageDesk, chosen_refresh, kept_query
from waitingroom.web.placedesk import NO_STORE, PlaceDesk, back_to_page, find_place, find_session
from waitingroom.web.rooms import room_of
from waitingroom.web.security import SHIELD

_ADMITTED_RETRY_S = 30.0
_ENTERABLE = frozenset({State.RELEASED, State.LATE})


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
        self._secure = secure_cookies
        self._desk = PageDesk(pages, secure_cookies=secure_cookies)
        self._places = PlaceDesk(secure_cookies=secure_cookies)
        self._doorway = Doorway(self._places, keyring, handovers, secure_cookies=secure_cookies)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [
            web.get("/{onsale}", self.slash),
            web.get("/{onsale}/", self.page),
            web.post("/{onsale}/join", self.join),
            web.get("/{onsale}/status", self.status),
            web.get("/{onsale}/enter", self.enter),
            web.post("/{onsale}/enter", self.enter),
            web.get("/{onsale}/state", self.state),
        ]

    async def slash(self, request: web.Request) -> web.StreamResponse:
        """Lead to the page from its address without the slash at the end, as people type it."""
        query = request.rel_url.raw_query_string
        location = f"/{room_of(request, self._rooms).name}/{'?' if query else ''}{query}"
        return web.Response(
            status=HTTPStatus.PERMANENT_REDIRECT, headers={**NO_STORE, hdrs.LOCATION: location}
        )

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The waiting page; it sets the device cookie first, so that a lost reply to a join costs nobody a place.

        Raises:
            StoreUnavailable: there is no copy of the counters yet, or the store did not answer a newcomer who walks in.
            JoinRefused, EntryRefused, KeysUnavailable, MoveRefused: as `Doorway.walk_in`.
        """
        room = room_of(request, self._rooms)
        room.requests.page += 1
        cookie = request.headers.get("Cookie")
        device = find_device(cookie, secure=self._secure)
        place = find_place(room, cookie)
        moved = place is not None and room.is_moved(place)
        by_token = room.onsale.spec.entry == "token"
        if by_token and TOKEN in request.query:
            if place is None or moved:
                return await self._places.entry.take_token(request, room, kept_query(request))
            return back_to_page(request, room)
        uninvited = by_token and place is None and not has_token(request)
        if place is None and room.walk_in_now and not uninvited and ENDED not in request.query:
            return await self._doorway.walk_in(request, room, device)
        admitted = find_session(room, cookie) is not None
        standing = shown_standing(room, place, admitted=admitted) if place and not moved else None
        outside = (
            "moved" if moved else "uninvited" if uninvited else "ended" if ENDED in request.query else ""
        )
        refused = request.query.get(REFUSED, "missing")
        response = self._desk.answer(request, room, place, standing, outside or "outside", refused)
        if device is None:
            self._places.keep_device(response, new_device())
        return response

    async def join(self, request: web.Request) -> web.StreamResponse:
        """Give the buyer a place, the same one again whoever repeats the request with the place or the device cookie.

        Not to a page elsewhere: each of its visitors would take one, from an address of their own.

        Raises:
            StoreUnavailable, JoinRefused: as `Room.join`.
            EntryRefused, KeysUnavailable, MoveRefused: where entry is by token.
        """
        room = room_of(request, self._rooms)
        room.requests.join += 1
        if is_from_another_site(request) and wants_html(request):
            return back_to_page(request, room)
        if request.app[SHIELD].is_from_elsewhere(request):
            detail = "A place is taken from the page of the waiting room or of its shop, not by another site."
            return problem(HTTPStatus.FORBIDDEN, "Refused", detail, reason="site")
        carried = await read_join(request)
        cookie = request.headers.get("Cookie")
        place = find_place(room, cookie)
        device = find_device(cookie, secure=self._secure) or new_device()
        token = find_cookie(cookie, PLACE_COOKIE)
        if place is not None and room.is_moved(place):
            # The place is another device's now. This one begins anew, as one that the store has not seen.
            place, device = None, new_device()
        if place is None or token is None:
            token, place = await self._places.give(request, room, device, carried)
        if wants_html(request):
            response = back_to_page(request, room)
            chosen = (await request.post()).get(REFRESH)
            if isinstance(chosen, str):
                self._desk.keep_refresh(response, room, chosen_refresh(request, chosen))
        else:
            body = f'{{"place":"{token}",{_status_fields(room, place)}}}'
            response = web.Response(body=body, content_type="application/json", headers=NO_STORE)
        self._places.keep(response, room, token)
        self._places.keep_device(response, device)
        return response

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Tell the buyer where they stand, from this process's copy of the counters.

        Raises:
            StoreUnavailable: there is no copy yet.
            MoveRefused: another device holds the place now (`moved`).
        """
        room = room_of(request, self._rooms)
        room.requests.status += 1
        cookie = request.headers.get("Cookie")
        place = find_place(room, cookie)
        if place is None:
            return problem(
                HTTPStatus.NOT_FOUND,
                "No place",
                "This device holds no place in this line; join first.",
                reason="no_place",
            )
        if room.is_moved(place):
            raise MoveRefused("moved")
        body = "{" + _status_fields(room, place, find_session(room, cookie)) + "}"
        return web.Response(body=body, content_type="application/json", headers=NO_STORE)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Claim: exchange a released place for a pass, and go on to the shop.

        Raises:
            StoreUnavailable, MoveRefused, JoinRefused, EntryRefused, KeysUnavailable: as `Doorway.enter`.
        """
        room = room_of(request, self._rooms)
        room.requests.enter += 1
        return await self._doorway.enter(request, room)

    async def state(self, request: web.Request) -> web.StreamResponse:
        """The onsale's public state.

        Raises:
            StoreUnavailable: there is no copy of the counters yet.
        """
        room = room_of(request, self._rooms)
        room.requests.state += 1
        if room.snapshot is None:
            raise StoreUnavailable("the room has not reached its store yet")
        return web.Response(
            body=state_document(room, room.snapshot),
            content_type="application/json",
            headers={"Cache-Control": "public, max-age=1", "Access-Control-Allow-Origin": "*"},
        )


def shown_standing(room: Room, place: Place, *, admitted: bool) -> Standing:
    """Return what the buyer is shown; `admitted` is one whose browser holds a pass.

    Raises:
        StoreUnavailable: there is no copy of the counters yet.
    """
    standing = room.standing(place)
    if admitted and standing.state in _ENTERABLE:
        return Standing(State.ADMITTED, standing.position, 0, None, _ADMITTED_RETRY_S)
    return standing


def _status_fields(room: Room, place: Place, session: str | None = None) -> str:
    standing = shown_standing(room, place, admitted=session is not None)
    assert room.snapshot is not None  # noqa: S101 - `standing` raises without one
    return status_fields(room, room.snapshot, place.number, place.epoch, standing)
