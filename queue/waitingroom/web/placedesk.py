"""Places over HTTP: finds the one that a request carries, gives one to a device, and has the browser keep it."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from yarl import URL

from waitingroom.errors import InvalidToken
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.web.buyer_documents import JoinBody
from waitingroom.web.cookies import (
    PLACE_COOKIE,
    YEAR_S,
    device_cookie,
    expire_cookie,
    find_cookie,
    new_device,
    pass_cookie,
    set_cookie,
)
from waitingroom.web.entry import EntryDesk
from waitingroom.web.pagedesk import kept_query

NO_STORE = {"Cache-Control": "no-store"}
_NOTHING = JoinBody()


class PlaceDesk:
    """Gives out places as the onsale's entry has it, and keeps them in cookies."""

    def __init__(self, *, secure_cookies: bool) -> None:
        self._secure = secure_cookies
        self.entry = EntryDesk(secure_cookies=secure_cookies)

    async def give(
        self, request: web.Request, room: Room, device: str, carried: JoinBody = _NOTHING
    ) -> tuple[str, Place]:
        """Give `device` a place; `carried` is what the join says.

        Raises:
            StoreUnavailable, JoinRefused: as for any join.
            EntryRefused, KeysUnavailable, MoveRefused: where entry is by token.
        """
        if room.onsale.spec.entry == "token":
            return await self.entry.join(request, room, device, carried)
        return await room.join(device)

    def keep(self, response: web.StreamResponse, room: Room, token: str) -> None:
        """Have the browser keep a place; the token by which it was got has done its service."""
        response.headers.add("Set-Cookie", self.cookie(PLACE_COOKIE, token, f"/{room.name}", YEAR_S))
        if room.onsale.spec.entry == "token":
            response.headers.add("Set-Cookie", self.entry.forget(room))

    def keep_device(self, response: web.StreamResponse, device: str) -> None:
        """Have the browser keep its nonce, by which a join is known again."""
        name = device_cookie(secure=self._secure)
        response.headers.add("Set-Cookie", self.cookie(name, device, "/", YEAR_S))

    def drop(self, response: web.StreamResponse, room: Room) -> None:
        """Have the browser forget a place that is used up: the next join is a new one, of a device the store has not seen."""
        expired = expire_cookie(PLACE_COOKIE, path=f"/{room.name}", secure=self._secure)
        response.headers.add("Set-Cookie", expired)
        self.keep_device(response, new_device())

    def cookie(self, name: str, value: str, path: str, max_age_s: int) -> str:
        """Return a `Set-Cookie` value."""
        return set_cookie(name, value, path=path, max_age_s=max_age_s, secure=self._secure)


def find_place(room: Room, cookie: str | None) -> Place | None:
    """Return the place which a request's cookies carry; None for none, and for one that isn't ours."""
    token = find_cookie(cookie, PLACE_COOKIE)
    if not token:
        return None
    try:
        return room.place(token)
    except InvalidToken:
        return None


def find_session(room: Room, cookie: str | None) -> str | None:
    """Tell which session the buyer's pass names; it only changes what is shown, the gate is who checks it."""
    return find_cookie(cookie, pass_cookie(room.name)) or None


def back_to_page(request: web.Request, room: Room, **query: str) -> web.Response:
    """Send a browser to the line's page, with what goes on with the buyer and `query`."""
    location = URL(f"/{room.name}/").with_query({**kept_query(request), **query})
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**NO_STORE, "Location": str(location)})
