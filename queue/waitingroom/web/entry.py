"""Entry by token: where a request carries the shop's token, and the place which its account gets.

In a page's address the token would stay in the history and in logs: it goes into a short-lived cookie at once, and the browser to
the clean address. Apps send it as a bearer token, or in the body of their join.
"""

from __future__ import annotations

import time
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError
from yarl import URL

from waitingroom.entrytoken import SKEW_S, EntryToken
from waitingroom.errors import EntryRefused, KeysUnavailable
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.web.buyer_documents import JoinBody
from waitingroom.web.cookies import ENTRY_COOKIE, expire_cookie, find_cookie, set_cookie
from waitingroom.web.negotiation import wants_html
from waitingroom.web.pagedesk import REFUSED
from waitingroom.web.refusals import answer_refusal

TOKEN = "token"  # noqa: S105 - the name of a parameter
"""In the address of the page: the shop's entry token."""
MOVE = "move"
"""In the address of a join: the buyer wants the place of their account here, even if another device holds it."""
_COOKIE_S = 600


class EntryDesk:
    """Lets the invited join."""

    def __init__(self, *, secure_cookies: bool) -> None:
        self._secure = secure_cookies

    async def take_token(self, request: web.Request, room: Room, kept: dict[str, str]) -> web.Response:
        """Take the token out of the page's address; `kept` is what else goes on with the buyer."""
        headers = {"Cache-Control": "no-store"}
        query = dict(kept)
        try:
            token = request.query[TOKEN]
            invited = await _check(room, token)
        except (EntryRefused, KeysUnavailable) as refused:
            if not wants_html(request) or isinstance(refused, KeysUnavailable):
                return answer_refusal(request, refused)
            query[REFUSED] = refused.reason
        else:
            left_s = int(min(_COOKIE_S, max(1.0, invited.expires_at_s + SKEW_S - time.time())))
            headers["Set-Cookie"] = set_cookie(
                ENTRY_COOKIE, token, path=f"/{room.name}", max_age_s=left_s, secure=self._secure
            )
        headers["Location"] = str(URL(f"/{room.name}/").with_query(query))
        return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)

    async def join(
        self, request: web.Request, room: Room, device: str, carried: JoinBody
    ) -> tuple[str, Place]:
        """Give the account of the request's token its place; `carried` is what its join says.

        Raises:
            EntryRefused: there is no token, or one that doesn't count.
            KeysUnavailable: there are no keys to check it by.
            MoveRefused: another device holds the account's place.
            StoreUnavailable, JoinRefused: as for any join.
        """
        invited = await _check(room, carried.token or _presented(request))
        return await room.join_for(invited.subject, device, move=carried.move)

    def forget(self, room: Room) -> str:
        """Return the `Set-Cookie` which removes the token, once its account has joined."""
        return expire_cookie(ENTRY_COOKIE, path=f"/{room.name}", secure=self._secure)


def has_token(request: web.Request) -> bool:
    """Tell whether a request carries a token, good or not."""
    return _presented(request) is not None


async def read_join(request: web.Request) -> JoinBody:
    """Read what a join says: JSON or nothing. The page's forms say it in their address.

    Raises:
        HTTPUnprocessableEntity: it is JSON, but not as it should be.
    """
    if not request.body_exists or request.content_type == "application/x-www-form-urlencoded":
        return JoinBody(move=request.query.get(MOVE) == "1")
    try:
        return JoinBody.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(
            text="The body of a join is an object of token and move, or nothing."
        ) from error


async def _check(room: Room, token: str | None) -> EntryToken:
    try:
        if token is None:
            raise EntryRefused("missing")
        if room.invitations is None:
            raise KeysUnavailable("no keys are known of this onsale")
        return await room.invitations.check(token)
    except EntryRefused as refused:
        room.entries_refused[refused.reason] += 1
        raise


def _presented(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return find_cookie(request.headers.get("Cookie"), ENTRY_COOKIE) or None
