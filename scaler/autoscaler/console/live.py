"""Tells open pages that there is something new: they then fetch themselves anew. Server-Sent Events, a tick a second at most."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from aiohttp import web

from autoscaler.console.base import CONSOLE
from autoscaler.console.guard import session_key

LOOK_EVERY_S: Final = 1.0
TICK_AT_LEAST_S: Final = 5.0
"""What no event tells of, such as the room's figures, is shown this often."""
STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def stream_ticks(request: web.Request) -> web.StreamResponse:
    """Send a tick whenever something was heard of, until the browser, its session or the scaler ends."""
    console = request.app[CONSOLE]
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    seen, sent_s = -1, float("-inf")
    try:
        while not console.stopping.is_set():
            version, now_s = console.chronicle.version, time.monotonic()
            if version != seen or now_s - sent_s >= TICK_AT_LEAST_S:
                seen, sent_s = version, now_s
                await response.write(f"event: tick\ndata: {version}\n\n".encode())
            if not await still_signed_in(request):
                break
            await pause(console.stopping, LOOK_EVERY_S)
    except (ConnectionError, TimeoutError):
        pass
    return response


async def still_signed_in(request: web.Request) -> bool:
    """Tell whether the session a stream was opened with still holds."""
    console = request.app[CONSOLE]
    session = console.sessions.find(session_key(request), time.monotonic())
    return session is not None and console.tokens.still_holds(session.entry)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
