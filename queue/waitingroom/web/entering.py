"""Entering the shop: a released place is exchanged for a pass, and the buyer sent on; where nobody waits, in one request."""

from __future__ import annotations

import time
from http import HTTPStatus

from aiohttp import web

from waitingroom.errors import MoveRefused
from waitingroom.gate.returning import return_address
from waitingroom.handovers import Handovers
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, device_hash, sign_pass
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.store.client import Claim, ClaimOutcome
from waitingroom.web.cookies import find_device, new_device, pass_cookie
from waitingroom.web.negotiation import problem, wants_html
from waitingroom.web.pagedesk import ENDED, NEXT, RETURN
from waitingroom.web.placedesk import NO_STORE, PlaceDesk, back_to_page, find_place
from waitingroom.web.security import SHIELD

COOKIE_CHECK = "cookies"
"""In the address of the page: the device cookie has just been set, so it must be there."""
_INSIDE = frozenset({ClaimOutcome.ADMITTED, ClaimOutcome.AGAIN})
_AFTERWARDS = {ClaimOutcome.LATE: {NEXT: "1"}, ClaimOutcome.ENDED: {ENDED: "1"}}
"""What the page is told of a claim that let nobody in."""
_REASONS = {
    ClaimOutcome.WAITING: "Others are before you.",
    ClaimOutcome.LATE: "The time to enter had passed; your place is kept and you are next in turn.",
    ClaimOutcome.ENDED: "This place was used, and its stay in the shop is over.",
    ClaimOutcome.MOVED: "This place was moved to another device.",
}


class Doorway:
    """Lets buyers through. Claims are the store's to decide, passes are signed here."""

    def __init__(
        self, places: PlaceDesk, keyring: Keyring, handovers: Handovers, *, secure_cookies: bool
    ) -> None:
        self._secure = secure_cookies
        self._places = places
        self._keyring = keyring
        self._handovers = handovers

    async def enter(self, request: web.Request, room: Room) -> web.StreamResponse:
        """Claim: exchange a released place for a pass, and go on to the shop.

        The store is asked only for a place whose turn may have come, and as often as one client may try in vain.

        Raises:
            StoreUnavailable: the store did not answer; entering again is safe.
            MoveRefused: another device holds the place (`moved`), or, where entry is by token, that of the account.
            JoinRefused, EntryRefused, KeysUnavailable: as for a join, where a newcomer enters who has no place yet.
        """
        cookie = request.headers.get("Cookie")
        place = find_place(room, cookie)
        device = find_device(cookie, secure=self._secure)
        if place is None and device is not None and room.walk_in_now:
            return await self.walk_in(request, room, device)
        if place is None or device is None or device.encode() != place.device:
            return problem(
                HTTPStatus.NOT_FOUND,
                "No place",
                "This device holds no place in this line; join first.",
                reason="no_place",
            )
        refused = None if room.waits_for_sure(place) else request.app[SHIELD].limit_claims(request)
        if refused is not None:
            return refused
        claim = await room.claim(place)
        if claim.outcome is ClaimOutcome.ADMITTED:
            request.app[SHIELD].forgive_claim(request)
        if claim.outcome in _INSIDE:
            return await self._admit(request, room, place, device, claim)
        if wants_html(request):
            response = back_to_page(request, room, **_AFTERWARDS.get(claim.outcome, {}))
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
            self._places.drop(response, room)
        return response

    async def walk_in(self, request: web.Request, room: Room, device: str | None) -> web.Response:
        """Join, be released and enter at once where nobody waits; whoever is too many gets a place in line.

        Only for devices which have shown that they keep cookies: a client that doesn't would take a place with every request.

        Raises:
            StoreUnavailable: the store did not answer; the same device may ask again.
            JoinRefused, EntryRefused, KeysUnavailable, MoveRefused: as for a join.
        """
        if device is None:
            if COOKIE_CHECK in request.query:
                detail = (
                    "This shop is entered through its waiting room, which needs cookies to keep your place."
                )
                return problem(HTTPStatus.FORBIDDEN, "Cookies are off", detail, reason="cookies")
            response = back_to_page(request, room, **{COOKIE_CHECK: "1"})
            self._places.keep_device(response, new_device())
            return response
        refused = request.app[SHIELD].limit_joins(request)
        if refused is not None:
            return refused
        token, place = await self._places.give(request, room, device)
        # The claim releases what is due first, so this place too if a token is there.
        claim = await room.claim(place)
        if claim.outcome in _INSIDE:
            response = await self._admit(request, room, place, device, claim)
        elif wants_html(request):
            response = back_to_page(request, room)
        else:
            reason = _REASONS[claim.outcome]
            response = problem(
                HTTPStatus.CONFLICT, "Not your turn", reason, retry_after_s=1.0, state="waiting"
            )
        self._places.keep(response, room, token)
        return response

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
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**NO_STORE, "Location": shop})
        else:
            response = web.json_response(
                {
                    "state": "admitted",
                    "location": shop,
                    "session": session,
                    "expires": admission.expires_at_s,
                },
                headers=NO_STORE,
            )
        token = sign_pass(admission, self._keyring)
        kept = self._places.cookie(pass_cookie(room.name), token, "/", ends - now)
        response.headers.add("Set-Cookie", kept)
        return response
