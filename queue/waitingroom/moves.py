"""What this process knows of places that were moved to another device, and of the accounts that hold places.

Pure. Two questions are answered without the store: is this place held elsewhere now (`is_moved`), and what must a store be told
that may have lost it (`owed`). Both are bounded: of moves the latest are known here, and a claim asks the store in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from waitingroom.places import Place

MOVES_REMEMBERED = 10_000
HOLDERS_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a place: its generation, the account's tag ('' for none) and the holding device's."""

    epoch: int
    number: int
    generation: int
    account: str
    device: str
    issued_at_ms: int


class Moves:
    """The generations heard of, and the holders to be told to a new epoch."""

    def __init__(self) -> None:
        self.heard = 0
        """How many of the store's moves have been heard, counted in its present epoch."""
        self._epoch = 0
        self._moved: dict[tuple[int, int], int] = {}
        self._holders: dict[tuple[int, int], Holder] = {}
        self._owed: dict[tuple[int, int], Holder] = {}

    def hear(self, epoch: int, count: int, moves: Iterable[tuple[int, int, int]]) -> None:
        """Take in what a store in `epoch` tells: its number of moves, and the latest as epoch, number and generation."""
        if epoch != self._epoch:
            # A new epoch may have lost what was told to the one before.
            if self._epoch:
                self._owed = dict(self._holders)
            self._epoch, self.heard = epoch, 0
        else:
            self.heard = count
        for place_epoch, number, generation in moves:
            self.note(place_epoch, number, generation)

    def note(self, epoch: int, number: int, generation: int) -> None:
        """Remember that a place is held in this generation."""
        key = (epoch, number)
        if self._moved.get(key, 0) < generation:
            self._moved.pop(key, None)
            self._moved[key] = generation
            if len(self._moved) > MOVES_REMEMBERED:
                del self._moved[next(iter(self._moved))]

    def is_moved(self, place: Place) -> bool:
        """Tell whether another device is known to hold `place` now."""
        return bool(self._moved) and self._moved.get((place.epoch, place.number), 0) > place.generation

    def see(self, place: Place, device: str) -> None:
        """Remember a place which a buyer showed, if the store keeps anything of it; `device` is its holder's tag."""
        if not place.generation and not place.account:
            return
        key = (place.epoch, place.number)
        known = self._holders.get(key)
        if known is not None and known.generation >= place.generation:
            return
        holder = Holder(*key, place.generation, place.account, device, place.issued_at_ms)
        self._holders.pop(key, None)
        self._holders[key] = holder
        if len(self._holders) > HOLDERS_REMEMBERED:
            del self._holders[next(iter(self._holders))]
        if place.epoch != self._epoch:
            self._owed[key] = holder
        if place.generation:
            self.note(*key, place.generation)

    def owed(self, most: int) -> list[Holder]:
        """Return up to `most` holders which the store is still to be told."""
        return [holder for _, holder in zip(range(most), self._owed.values(), strict=False)]

    def paid(self, holders: Iterable[Holder]) -> None:
        """Note that the store was told."""
        for holder in holders:
            key = (holder.epoch, holder.number)
            if self._owed.get(key) == holder:
                del self._owed[key]
