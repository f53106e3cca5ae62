"""Moving a place to another device: the holder gets a code, whoever types it there in time holds the place from then on."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError

from waitingroom.errors import InvalidToken, MoveRefused, StoreUnavailable
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.web.answers import status_fields
from waitingroom.web.buyer_documents import IssuedCode, MoveBody
from waitingroom.web.cookies import (
    PLACE_COOKIE,
    YEAR_S,
    device_cookie,
    find_cookie,
    find_device,
    new_device,
    set_cookie,
)
from waitingroom.web.limits import Clients, Limit
from waitingroom.web.negotiation import problem, wants_html
from waitingroom.web.pagedesk import PAGES, language_of, notice_answer
from waitingroom.web.rooms import room_of
from waitingroom.web.security import SHIELD

CODES_PER_S, CODES_BURST = 1 / 10, 20
"""Codes that one client may get."""
WRONG_PER_S, WRONG_BURST = 1 / 10, 10
"""Wrong codes that one client may try, and codes of any kind which may be under way for it at once.

What all clients may try together is the store's to count.
"""
_NO_STORE = {"Cache-Control": "no-store"}


class MovingHandlers:
    """Handlers over the rooms by name."""

    def __init__(self, rooms: Mapping[str, Room], clients: Clients, *, secure_cookies: bool) -> None:
        self._rooms = rooms
        self._secure = secure_cookies
        self._issued = Limit(clients, CODES_PER_S, CODES_BURST)
        self._wrong = Limit(clients, WRONG_PER_S, WRONG_BURST)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.post("/{onsale}/code", self.code), web.post("/{onsale}/move", self.move)]

    async def code(self, request: web.Request) -> web.StreamResponse:
        """Give the holder of a place a code; an earlier one is good no more."""
        room = room_of(request, self._rooms)
        if request.app[SHIELD].is_by_others(request):
            return _from_another_site()
        place = _held_place(request, room, secure=self._secure)
        if place is None:
            detail = "This device holds no place in this line; get the code where your place is."
            return problem(HTTPStatus.NOT_FOUND, "No place", detail, reason="no_place")
        wait_s = self._issued.take(request)
        if wait_s > 0.0:
            return _too_many("Too many codes", wait_s)
        code, good_s = await room.issue_code(place)
        if wants_html(request):
            words = language_of(request, request.app[PAGES])
            text = words.count("code.text", max(1, round(good_s / 60)))
            return notice_answer(
                request, title=words.text("code.title"), text=text, reason="issued", code=code
            )
        body = IssuedCode(onsale=room.name, code=code, expires_in=int(good_s)).model_dump_json()
        return web.Response(body=body, content_type="application/json", headers=_NO_STORE)

    async def move(self, request: web.Request) -> web.StreamResponse:
        """Move the place for which a code stands to this device."""
        room = room_of(request, self._rooms)
        if request.app[SHIELD].is_by_others(request):
            return _from_another_site()
        code = await _read_code(request)
        # Counted before it is looked up: many at once must not slip through while the store is asked.
        wait_s = self._wrong.take(request)
        if wait_s > 0.0:
            return _too_many("Too many wrong codes", wait_s)
        device = find_device(request.headers.get("Cookie"), secure=self._secure) or new_device()
        try:
            token, place = await room.redeem_code(code, device)
        except (MoveRefused, StoreUnavailable) as refused:
            if not (isinstance(refused, MoveRefused) and refused.reason == "code"):
                self._wrong.give_back(request)
            raise
        self._wrong.give_back(request)
        response = self._moved(request, room, token, place)
        path = f"/{room.name}"
        own = device_cookie(secure=self._secure)
        for name, value, where in ((PLACE_COOKIE, token, path), (own, device, "/")):
            cookie = set_cookie(name, value, path=where, max_age_s=YEAR_S, secure=self._secure)
            response.headers.add("Set-Cookie", cookie)
        return response

    def _moved(self, request: web.Request, room: Room, token: str, place: Place) -> web.Response:
        if wants_html(request):
            headers = {**_NO_STORE, "Location": f"/{room.name}/"}
            return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
        standing = room.standing(place)
        assert room.snapshot is not None  # noqa: S101 - `standing` raises without one
        fields = status_fields(room, room.snapshot, place.number, place.epoch, standing)
        body = f'{{"place":"{token}",{fields}}}'
        return web.Response(body=body, content_type="application/json", headers=_NO_STORE)


def _held_place(request: web.Request, room: Room, *, secure: bool) -> Place | None:
    """Return the place which this device holds: its cookie alone could have been copied."""
    cookie = request.headers.get("Cookie")
    token, device = find_cookie(cookie, PLACE_COOKIE), find_device(cookie, secure=secure)
    if not token or device is None:
        return None
    try:
        place = room.place(token)
    except InvalidToken:
        return None
    return place if place.device == device.encode() else None


async def _read_code(request: web.Request) -> str:
    if request.content_type == "application/x-www-form-urlencoded":
        code = (await request.post()).get("code", "")
        return code if isinstance(code, str) else ""
    try:
        return MoveBody.model_validate_json(await request.read()).code
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(text='Send the code as a form, or as {"code": "..."}.') from error


def _too_many(title: str, wait_s: float) -> web.Response:
    detail = "Too many came from your network at once. Your place is safe; please try again."
    return problem(HTTPStatus.TOO_MANY_REQUESTS, title, detail, retry_after_s=wait_s)


def _from_another_site() -> web.Response:
    detail = "A place is moved from the page of the waiting room only, not by another site."
    return problem(HTTPStatus.FORBIDDEN, "Refused", detail, reason="site")
