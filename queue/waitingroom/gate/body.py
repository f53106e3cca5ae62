"""A buyer's request body on its way to the shop: passed on as it comes, counted, and its mishaps remembered.

The client library reports whatever goes wrong in here as a failure of the connection to the shop. `problem` tells whose fault it
was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import StreamReader

_CHUNK_BYTES = 65_536


class BodyStopped(Exception):
    """The body is too large, malformed or cut short; raised to stop the request to the shop."""


class BuyerBody:
    """The body of one request; `limit` in bytes."""

    def __init__(self, content: StreamReader, limit: int | None) -> None:
        self._content = content
        self._limit = limit
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
                chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except Exception as error:
                self.problem = HTTPStatus.BAD_REQUEST
                raise BodyStopped("malformed or cut short") from error
            self._passed += len(chunk)
            if self._limit is not None and self._passed > self._limit:
                self.problem = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                raise BodyStopped("too large")
            yield chunk
