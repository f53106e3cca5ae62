"""Reads the bodies of HTTP answers, but never more than is wanted: what others send must not fill our memory."""

from __future__ import annotations

import aiohttp

_CHUNK_BYTES = 2**16


async def read_bounded(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes | None:
    """Return the body, or None where it is longer; the connection, which still carries the rest, is given up then.

    Raises:
        aiohttp.ClientError, OSError: it broke off.
    """
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(chunk)
        if size > limit_bytes:
            response.close()
            return None
        chunks.append(chunk)
    return b"".join(chunks)
