"""One onsale's places as buyers carry them: signs and reads them, and knows what the store is told of who holds one.

It knows nothing of where a place stands.
"""

from __future__ import annotations

from collections.abc import Callable

from rulebook.memo import Memo
from waitingroom.errors import InvalidToken
from waitingroom.keyring import Keyring
from waitingroom.moves import Holder
from waitingroom.places import Place, session_id, sign_place, verify_place
from waitingroom.store.client import OnsaleStore
from waitingroom.tags import device_tag

_REMEMBERED = 100_000
_HOLDERS_AT_ONCE = 1_000


class PlaceBook:
    """Signs with the keys of now, and reads what was signed with any that counts.

    `is_of_this_sale` tells of an epoch whether its places can be of the sale which is on; None while nobody can tell.
    """

    def __init__(
        self,
        onsale: str,
        store: OnsaleStore,
        keyring: Keyring,
        is_of_this_sale: Callable[[int], bool | None],
    ) -> None:
        self._onsale = onsale
        self._store = store
        self._keyring = keyring
        self._is_of_this_sale = is_of_this_sale
        self._key_changes = keyring.changes
        self._places: Memo[Place] = Memo(_REMEMBERED)
        self._undecided: dict[int, int] = {}
        """The highest number that was shown, of each epoch of which nobody could tell whether it is of this sale."""

    def read(self, token: str) -> Place:
        """Return the place in a buyer's token.

        Raises:
            InvalidToken: it is not one of ours, of another onsale, or of an earlier sale under this name.
        """
        if self._keyring.changes != self._key_changes:
            self._key_changes = self._keyring.changes
            self._places.clear()
        place = self._places.get(token)
        if place is None:
            place = verify_place(token, self._onsale, self._keyring.place_keys)
            counts = self._is_of_this_sale(place.epoch)
            if counts is False:
                raise InvalidToken("place: of an earlier sale")
            if counts is None:
                self._undecided[place.epoch] = max(place.number, self._undecided.get(place.epoch, 0))
            else:
                self._store.remember_place(place.epoch, place.number)
                self._keep(token, place)
        return place

    def decide(self) -> None:
        """Remember what was shown while nobody could tell whether it is of this sale, where that can be told now."""
        for epoch, number in list(self._undecided.items()):
            counts = self._is_of_this_sale(epoch)
            if counts is not None:
                del self._undecided[epoch]
            if counts:
                self._store.remember_place(epoch, number)

    def sign(self, place: Place) -> tuple[str, Place]:
        """Return a place with its token."""
        kid = self._keyring.signing_place_kid
        token = sign_place(place, kid, self._keyring.place_keys[kid])
        self._keep(token, place)
        return token, place

    def sign_for(self, holder: Holder, device: str) -> tuple[str, Place]:
        """Return the place that the store says `device` (a nonce) holds, with its token."""
        return self.sign(
            Place(
                self._onsale,
                holder.epoch,
                holder.number,
                holder.issued_at_ms,
                device.encode(),
                holder.generation,
                holder.account,
            )
        )

    def holder_of(self, place: Place) -> Holder:
        """Write a place as the store knows its holder; the device only where it keeps one."""
        keeps = place.account or place.generation
        device = device_tag(self._keyring.tag_key, place.device) if keeps else ""
        return Holder(place.epoch, place.number, place.generation, place.account, device, place.issued_at_ms)

    def session_of(self, place: Place) -> str:
        """Return the id of the session which a place opens."""
        return session_id(place, self._keyring.session_key)

    async def restore_holders(self) -> None:
        """Tell a new epoch who holds which places, as far as buyers have shown them here.

        Raises:
            StoreUnavailable: the store did not answer; they stay owed.
        """
        owed = self._store.moves.owed(_HOLDERS_AT_ONCE)
        if owed:
            await self._store.holders.restore(owed)
            self._store.moves.paid(owed)

    def _keep(self, token: str, place: Place) -> None:
        self._places.put(token, place)
        if place.account or place.generation:
            self._store.moves.see(place, self.holder_of(place).device)
