"""A buyer's request body on its way to the shop: passed on as it comes, counted, and its mishaps remembered.

The client library reports whatever goes wrong in here as a failure of the connection to the shop. `problem` tells whose fault it
was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import StreamReader

_CHUNK_BYTES = 65_536
LEAST_BYTES_PER_S = 500
"""A body that comes in drops holds a connection to the shop as one that has stopped. A slow phone sends tens of times this."""


class BodyStopped(Exception):
    """The body is too large, malformed, cut short, at a standstill or in drops; raised to stop the request to the shop."""


class BuyerBody:
    """The body of one request; `limit` in bytes, `within_s` in seconds between two pieces of it.

    The whole of it is waited for as long, and a second more for every `LEAST_BYTES_PER_S` that came; the shop's time does
    not count.
    """

    def __init__(self, content: StreamReader, limit: int | None, within_s: float | None = None) -> None:
        self._content = content
        self._limit = limit
        self._within_s = within_s
        self._passed = 0
        self._waited_s = 0.0
        self.problem: HTTPStatus | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives, when it arrives.

        Raises:
            BodyStopped: the rest is not to be had; `problem` says why.
        """
        stream = self._content.iter_chunked(_CHUNK_BYTES)
        while True:
            began_s = time.monotonic()
            try:
                async with asyncio.timeout(self._patience_s()):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                self.problem = HTTPStatus.REQUEST_TIMEOUT
                raise BodyStopped("at a standstill") from error
            except Exception as error:
                self.problem = HTTPStatus.BAD_REQUEST
                raise BodyStopped("malformed or cut short") from error
            self._waited_s += time.monotonic() - began_s
            self._passed += len(chunk)
            if self._limit is not None and self._passed > self._limit:
                self.problem = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                raise BodyStopped("too large")
            yield chunk

    def _patience_s(self) -> float | None:
        """Return how long the next piece is waited for."""
        if self._within_s is None:
            return None
        return min(self._within_s, self._within_s + self._passed / LEAST_BYTES_PER_S - self._waited_s)
