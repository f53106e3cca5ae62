"""A process which looks at an onsale's counter in the store's own time, from its start to the end of its input; see `children`.

It notes when the line moved, and asks no room. It is a process of its own, as whoever reads the frames of ten thousand
listeners comes to nothing else meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import uvloop

from rulebook.coupling import US_PER_S
from tests.benchmarks.children import obey
from waitingroom.store.connect import connect

_LOOK_EVERY_S = 0.004
_LOOK = """
local clock = redis.call('TIME')
local epoch = redis.call('HGET', KEYS[1], 'epoch')
return {clock[1], clock[2], redis.call('HGET', KEYS[1], 'released:' .. epoch) or '0'}
"""


class Move(NamedTuple):
    """The line moved on to `released`: at the last look before it, at this time of the store (unix seconds), it had not yet."""

    before_s: float
    released: int


async def observe(options: Mapping[str, Any]) -> None:
    """Look again and again; `now` asks for the time of the newest look, `moves` for all moves so far."""
    client = connect(options["store"])
    look = client.register_script(_LOOK)
    moves: list[Move] = []
    stopped = False
    at_s, released = await _look(look, options["onsale"])

    async def look_on() -> None:
        nonlocal at_s, released
        while not stopped:
            before_s, before = at_s, released
            at_s, released = await _look(look, options["onsale"])
            if released > before:
                moves.append(Move(before_s, released))
            await asyncio.sleep(_LOOK_EVERY_S)

    looking = asyncio.create_task(look_on())
    await obey({"now": lambda: at_s, "moves": lambda: moves})
    # Told to stop, and not cancelled: on Python 3.11 the store's client may swallow a cancellation (`asyncio.wait_for` does).
    stopped = True
    await looking
    await client.aclose()


async def _look(look: Any, onsale: str) -> tuple[float, int]:
    seconds, micros, released = map(int, await look(keys=[f"{{{onsale}}}:room"]))
    return seconds + micros / US_PER_S, released


if __name__ == "__main__":
    uvloop.run(observe(json.loads(sys.argv[1])))
