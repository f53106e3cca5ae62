"""Reads what the room publishes about an onsale, and the store's clock with it."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import RedisError

from autoscaler.errors import StoreUnavailable, brief
from autoscaler.store.connection import Script, StoreClient
from rulebook.coupling import US_PER_S, RoomFigures, figures_key


@dataclass(frozen=True, slots=True)
class Published:
    """The room's figures (None: never published) and the store's time at the reading."""

    figures: RoomFigures | None
    store_now_s: float

    @property
    def age_s(self) -> float:
        """Seconds since the figures were published, by the store's clock; infinite without any."""
        return float("inf") if self.figures is None else self.store_now_s - self.figures.at_s


class FigureReader:
    """Reads the figures of onsales, in one round trip each."""

    def __init__(self, client: StoreClient) -> None:
        self._script = Script(client, "read_figures.lua")

    async def read(self, onsale: str) -> Published:
        """Read the figures of one onsale.

        Raises:
            StoreUnavailable: there is no answer, or it is not what a room publishes.
        """
        try:
            now_us, flat = await self._script(keys=[figures_key(onsale)])
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            return Published(RoomFigures.from_hash(fields), int(now_us) / US_PER_S)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        except (KeyError, ValueError) as error:
            raise StoreUnavailable(f"figures of onsale {onsale} cannot be read: {brief(error)}") from error
