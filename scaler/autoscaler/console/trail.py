"""The newest items of something that goes on: in which order, how many, and which of them have yet to be kept elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Something that was at a moment, in unix seconds."""

    @property
    def at_s(self) -> float:
        """When it was."""
        ...


Item = TypeVar("Item", bound=Timed)


class Trail(Generic[Item]):
    """Up to `kept` items, oldest first. `recalled` is whether what was kept of earlier processes has been put before them."""

    def __init__(self, kept: int) -> None:
        self.recalled = False
        self._kept = kept
        self._items: list[Item] = []
        self._fresh = 0

    def __iter__(self) -> Iterator[Item]:
        """Go through the items."""
        return iter(tuple(self._items))

    def __len__(self) -> int:
        """Count them."""
        return len(self._items)

    @property
    def last(self) -> Item | None:
        """The newest one."""
        return self._items[-1] if self._items else None

    def add(self, item: Item) -> None:
        """Go on."""
        self._items.append(item)
        del self._items[: -self._kept]
        self._fresh = min(self._fresh + 1, self._kept)

    def replace_last(self, item: Item) -> None:
        """Put an item in the place of the newest, which it says again: what was kept of that stays."""
        self._items[-1] = item

    def fresh(self) -> tuple[Item, ...]:
        """Return what has not been kept yet."""
        return tuple(self._items[len(self._items) - self._fresh :])

    def kept(self, items: int) -> None:
        """Take note that the first so many of `fresh` are kept; more may have come meanwhile."""
        self._fresh = max(0, self._fresh - items)

    def recall(self, found: Iterable[Item]) -> None:
        """Put what was kept among the items, by its time and once each; what is not kept yet stays at the end."""
        fresh = self.fresh()
        known = self._items[: len(self._items) - self._fresh]
        before = fresh[0].at_s if fresh else float("inf")
        seen = set(known)
        older = [item for item in dict.fromkeys(found) if item.at_s < before and item not in seen]
        merged = sorted([*older, *known], key=lambda item: item.at_s)
        self._items = [*merged, *fresh][-self._kept :]
        self.recalled = True
