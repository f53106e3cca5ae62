"""A buyer's request body on its way to the shop: passed on as it comes, counted, and its mishaps remembered.

The client library reports whatever goes wrong in here as a failure of the connection to the shop. `problem` tells whose fault it
was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import StreamReader

_CHUNK_BYTES = 65_536


class BodyStopped(Exception):
    """The body is too large, malformed, cut short or at a standstill; raised to stop the request to the shop."""


class BuyerBody:
    """The body of one request; `limit` in bytes, `within_s` in seconds between two pieces of it."""

    def __init__(self, content: StreamReader, limit: int | None, within_s: float | None = None) -> None:
        self._content = content
        self._limit = limit
        self._within_s = within_s
        self._passed = 0
        self.problem: HTTPStatus | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives, when it arrives.

        Raises:
            BodyStopped: the rest is not to be had; `problem` says why.
        """
        stream = self._content.iter_chunked(_CHUNK_BYTES)
        while True:
            try:
                async with asyncio.timeout(self._within_s):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                self.problem = HTTPStatus.REQUEST_TIMEOUT
                raise BodyStopped("at a standstill") from error
            except Exception as error:
                self.problem = HTTPStatus.BAD_REQUEST
                raise BodyStopped("malformed or cut short") from error
            self._passed += len(chunk)
            if self._limit is not None and self._passed > self._limit:
                self.problem = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                raise BodyStopped("too large")
            yield chunk
