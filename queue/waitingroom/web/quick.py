"""A way past the application for the questions which come by the million: a status, a newcomer's join, the gate's check.

The path is looked up as it was sent, before anything is made of it. Only the plain case is taken: a request that differs from
what nearly all send goes through the application, where every case is handled. What is answered and limited is the handlers'
own; both ways give the same answers, and tests hold them together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import HttpVersion11, hdrs, web

from waitingroom.errors import InvalidToken, JoinRefused, StoreUnavailable
from waitingroom.gate.auth import AUTH_PATH, AuthGate
from waitingroom.room import Room
from waitingroom.web.answers import SnapshotText, buyer_members
from waitingroom.web.buyers import shown_standing
from waitingroom.web.cookies import (
    PLACE_COOKIE,
    YEAR_S,
    cookie_line,
    device_cookie,
    find_cookie,
    find_device,
    new_device,
    pass_cookie,
)
from waitingroom.web.negotiation import wants_html
from waitingroom.web.refusals import error_answer
from waitingroom.web.security import Shield
from waitingroom.web.whole import Heads, WholeAnswer, lines

Quick = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]

_JSON = "Cache-Control: no-store\r\nContent-Type: application/json\r\n"


class QuickLane:
    """Stands before a server's application; `follow` whenever the rooms have changed."""

    def __init__(
        self, rooms: Mapping[str, Room], gate: AuthGate, shield: Shield, *, secure_cookies: bool
    ) -> None:
        self._rooms = rooms
        self._gate = _QuickGate(gate, shield)
        self._shield = shield
        self._secure = secure_cookies
        self._lanes: dict[str, Quick] = {}
        self.follow()

    def follow(self) -> None:
        """Know the rooms as they are now, and no other."""
        lanes: dict[str, Quick] = {AUTH_PATH: self._gate.auth}
        for name, room in self._rooms.items():
            quick = _QuickRoom(room, self._shield, secure_cookies=self._secure)
            lanes[f"/{name}/status"] = quick.status
            lanes[f"/{name}/join"] = quick.join
        self._lanes = lanes

    def install(self, server: web.Server) -> None:
        """Take the plain requests of `server` from now on; the others go where all went before."""
        application = server.request_handler

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            quick = self._lanes.get(request.raw_path)
            if quick is not None and _is_plain(request):
                try:
                    answer = await quick(request)
                except Exception:
                    answer = self._shield.defect(request)
                    await self._shield.complete(request, answer)
                if answer is not None:
                    return answer
            return await application(request)

        server.request_handler = handle


class _QuickRoom:
    """The quick answers of one room."""

    def __init__(self, room: Room, shield: Shield, *, secure_cookies: bool) -> None:
        self._room = room
        self._requests = room.requests
        self._secure = secure_cookies
        self._shield = shield
        self._text = SnapshotText(room)
        self._heads = Heads(shield.always + _JSON)
        self._pass = pass_cookie(room.name)
        path = f"/{room.name}"
        before, between = cookie_line(PLACE_COOKIE, path=path, max_age_s=YEAR_S, secure=secure_cookies)
        device, self._behind_device = cookie_line(
            device_cookie(secure=secure_cookies), path="/", max_age_s=YEAR_S, secure=secure_cookies
        )
        self._before_place = before
        self._between = between + device

    async def status(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Answer a buyer who holds a place."""
        snapshot = self._room.snapshot
        cookie = request.headers.get(hdrs.COOKIE)
        token = find_cookie(cookie, PLACE_COOKIE)
        if request.method != hdrs.METH_GET or snapshot is None or not token:
            return None
        try:
            place = self._room.place(token)
        except InvalidToken:
            return None
        if self._room.is_moved(place):
            return None
        standing = shown_standing(self._room, place, admitted=bool(find_cookie(cookie, self._pass)))
        members = buyer_members(place.number, place.epoch, standing) + self._text.text(snapshot)
        head = self._heads.start() + self._shield.own_lines(request)
        self._requests.status += 1
        return WholeAnswer(f"{head}Content-Length: {len(members) + 2}\r\n\r\n{{{members}}}".encode("ascii"))

    async def join(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Give an app, or a page's script, that has no place yet its place."""
        room, headers = self._room, request.headers
        cookie = headers.get(hdrs.COOKIE)
        if (
            request.method != hdrs.METH_POST
            or room.onsale.spec.entry != "open"
            or request.body_exists
            or wants_html(request)
            or find_cookie(cookie, PLACE_COOKIE) is not None
            or self._shield.is_from_elsewhere(request)
        ):
            return None
        self._requests.join += 1
        refused = self._shield.limit_joins(request)
        if refused is None:
            device = find_device(cookie, secure=self._secure) or new_device()
            try:
                token, place = await room.join(device)
                standing = room.standing(place)
            except (StoreUnavailable, JoinRefused) as error:
                refused = error_answer(error)
        if refused is not None:
            await self._shield.complete(request, refused)
            return refused
        assert room.snapshot is not None  # noqa: S101 - `standing` raises without one
        members = buyer_members(place.number, place.epoch, standing) + self._text.text(room.snapshot)
        body = f'{{"place":"{token}",{members}}}'
        return WholeAnswer(
            f"{self._heads.start()}{self._shield.own_lines(request)}"
            f"{self._before_place}{token}{self._between}{device}{self._behind_device}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii")
        )


class _QuickGate:
    """The gate's answers to nginx."""

    def __init__(self, gate: AuthGate, shield: Shield) -> None:
        self._gate = gate
        self._shield = shield
        self._heads = Heads(shield.always + "Content-Length: 0\r\n")

    async def auth(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Let buyers with a pass through; others get the answer which the application would give."""
        answer = self._gate.answer_auth(request)
        if answer.status != 200:
            response = web.Response(status=answer.status, headers=answer.headers)
            await self._shield.complete(request, response)
            return response
        head = self._heads.start() + self._shield.own_lines(request) + lines(answer.headers)
        return WholeAnswer((head + "\r\n").encode("ascii"))


def _is_plain(request: web.BaseRequest) -> bool:
    """Tell whether nothing about the connection is out of the ordinary: HTTP/1.1, kept open, no handshake of any kind."""
    headers = request.headers
    return (
        request.version == HttpVersion11
        and request.keep_alive
        and hdrs.EXPECT not in headers
        and hdrs.UPGRADE not in headers
    )
