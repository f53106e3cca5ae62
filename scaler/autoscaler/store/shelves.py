"""Bounded lists of texts in the store, for what people look back at. It knows no meaning of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from autoscaler.errors import StoreUnavailable, brief
from autoscaler.store.connection import Script, StoreClient


@dataclass(frozen=True, slots=True)
class Shelf:
    """A list: its key, how many texts it keeps, and how long it stays when nothing is put on it; 0 is for ever."""

    key: str
    kept: int
    kept_for_s: float = 0.0


class Shelves:
    """All the shelves of one store."""

    def __init__(self, client: StoreClient) -> None:
        self._append = Script(client, "append_shelf.lua")
        self._read = Script(client, "read_shelf.lua")

    async def put(self, shelf: Shelf, texts: Sequence[str]) -> None:
        """Put texts on it, the last one in front.

        Raises:
            StoreUnavailable: there is no answer; they may have been put there or not.
        """
        try:
            await self._append(keys=[shelf.key], args=[shelf.kept, round(shelf.kept_for_s * 1000), *texts])
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error

    async def read(self, shelf: Shelf, most: int | None = None) -> tuple[str, ...]:
        """Return its texts, newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        try:
            texts = await self._read(keys=[shelf.key], args=[shelf.kept if most is None else most])
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        return tuple(str(text) for text in texts)
