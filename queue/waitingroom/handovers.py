"""Leads admitted buyers to a shop on another domain and lets them in there: makes codes, and exchanges each once for a pass.

Who comes with a code and how the answer looks is not known here: the room, the reverse proxy and the shop's own middleware all
exchange by `take`.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from waitingroom.errors import StoreUnavailable, WaitingRoomError
from waitingroom.gate.handover import (
    CODE_HOLDS_S,
    DEVICES_PER_SESSION,
    Code,
    Offer,
    handover_address,
    needs_handover,
    read_offer,
)
from waitingroom.gate.returning import return_address
from waitingroom.keyring import Keyring
from waitingroom.passes import SKEW_S, Pass, sign_pass
from waitingroom.room import Room
from waitingroom.store.connect import StoreClient
from waitingroom.store.handovers import OnsaleHandovers, Taking
from waitingroom.store.turnstile import Turnstile

_SECRET_BYTES = 16
_TAKERS_AT_ONCE, _TAKERS_WAIT_S = 16, 2.0
"""Of all onsales together: a third of the commands that may be under way at the store, so that joins and claims have theirs."""


class HandoverRefused(WaitingRoomError):
    """A code admits nobody: it is unknown, used, too old or of another shop, its session is over or was taken over too often."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Taken:
    """A code was exchanged: the admission, its signed pass, and the address in the shop to go on to."""

    admission: Pass
    token: str
    location: str


class Handovers:
    """The hand-overs of all onsales; `counts` tells what became of them."""

    def __init__(
        self, rooms: Mapping[str, Room], client: StoreClient, keyring: Keyring, *, room_url: str
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.room_url = room_url
        self._rooms = rooms
        self._client = client
        self._keyring = keyring
        self._stores: dict[str, OnsaleHandovers] = {}
        self._takers = Turnstile(_TAKERS_AT_ONCE, _TAKERS_WAIT_S)

    def shop_of(self, onsale: str) -> str | None:
        """Return the shop's address of an onsale; None where there is no such onsale."""
        room = self._rooms.get(onsale)
        return room.onsale.spec.shop if room else None

    async def lead(self, room: Room, admission: Pass, location: str) -> str:
        """Return the address by which an admitted buyer reaches `location` in the shop: itself, or one with a code.

        Raises:
            StoreUnavailable: the store did not answer; entering again is safe.
        """
        shop = room.onsale.spec.shop
        if not needs_handover(self.room_url, shop):
            return location
        code = Code(room.name, secrets.token_urlsafe(_SECRET_BYTES))
        offer = Offer(admission.session, admission.expires_at_s, admission.ends_at_s, location)
        await self._store(room.name).offer(code.digest, offer.session, offer.to_json(), CODE_HOLDS_S)
        return handover_address(shop, code)

    async def take(self, code: Code, device: str) -> Taken:
        """Exchange a code for a pass of `device` (its hash).

        Raises:
            HandoverRefused: the code admits nobody.
            StoreUnavailable: the store did not answer; the code may have been used up.
        """
        try:
            taken = await self._take(code, device)
        except HandoverRefused as refused:
            self.counts[refused.reason] += 1
            raise
        except StoreUnavailable:
            self.counts["unavailable"] += 1
            raise
        self.counts[Taking.TAKEN] += 1
        return taken

    async def _take(self, code: Code, device: str) -> Taken:
        room = self._rooms.get(code.onsale)
        if room is None:
            raise HandoverRefused(Taking.UNKNOWN)
        keep_s = room.onsale.spec.session.max_s + 2 * SKEW_S
        outcome, text = await self._store(room.name).take(code.digest, device, DEVICES_PER_SESSION, keep_s)
        if outcome is not Taking.TAKEN:
            raise HandoverRefused(outcome)
        try:
            offer = read_offer(text)
        except (KeyError, ValueError, TypeError) as error:  # offered by another version of ours
            raise HandoverRefused(Taking.UNKNOWN) from error
        now = int(time.time())
        admission = Pass(offer.session, room.name, device, now, offer.expires_at_s, offer.ends_at_s)
        # The document may have changed since: it has the last word on where its buyers are sent.
        location = return_address(room.onsale.spec.shop, offer.location)
        return Taken(admission, sign_pass(admission, self._keyring), location)

    def _store(self, onsale: str) -> OnsaleHandovers:
        found = self._stores.get(onsale)
        if found is None:
            found = self._stores[onsale] = OnsaleHandovers(self._client, onsale, self._takers)
        return found
