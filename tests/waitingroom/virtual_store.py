"""A real store whose scripts take the time from the test, and all that they keep there, read without moving anything.

The scripts' clock is the one statement which asks for `TIME`. It is replaced in the text which this store is given by one that
reads a key of the test's; the rest of the text is what production runs.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar

import pytest
from redis.asyncio import Redis

from rulebook.coupling import targets_key
from waitingroom.store import server
from waitingroom.store.client import OnsaleStore
from waitingroom.store.scripts import script_source

SECOND = 1_000_000
_CLOCK = "local clock = redis.call('TIME')"
_OUR_CLOCK = "local clock = redis.call('HMGET', PREFIX .. 'clock', 's', 'us')"

Value = TypeVar("Value")


def with_our_clock(name: str) -> str:
    """Return a script's text, its clock being a key of the test's."""
    source = script_source(name)
    assert source.count("'TIME'") == source.count(_CLOCK) == (0 if name == "draw" else 1)
    return source.replace(_CLOCK, _OUR_CLOCK)


class VirtualStore:
    """One onsale's store for tests that aren't coroutines: `do` runs one call to its end."""

    def __init__(self, url: str, onsale: str) -> None:
        self._runner = asyncio.Runner()
        self.client: Redis = Redis.from_url(url, decode_responses=True)
        self._onsale = onsale
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "script_source", with_our_clock)
            self.scripts = OnsaleStore(self.client, onsale, {})

    def do(self, work: Awaitable[Value]) -> Value:
        """Run one call."""

        async def run() -> Value:
            return await work

        return self._runner.run(run())

    def empty(self) -> None:
        """Forget everything."""
        self.do(self.client.flushall())

    def save(self) -> Mapping[str, bytes]:
        """Return all that is kept, for `lose` to go back to."""
        return self.do(self._save())

    def lose(self, kept: Mapping[str, bytes]) -> None:
        """Be killed and started again, with `kept` as data: the server is another one, and knows no script."""
        self.do(self._lose(kept))

    async def _save(self) -> dict[str, bytes]:
        return {key: await self.client.dump(key) for key in await self.client.keys()}

    async def _lose(self, kept: Mapping[str, bytes]) -> None:
        await self.client.flushall()
        await self.client.script_flush()
        for key, value in kept.items():
            await self.client.restore(key, 0, value)
        if kept:
            await self.client.hset(self._key("room"), "run_id", "another")

    def close(self) -> None:
        """Let go of the connection and the loop."""
        self.do(self.client.aclose())
        self._runner.close()

    def set_clock(self, now_us: int) -> None:
        """Let it be `now_us` for all scripts."""
        seconds, microseconds = divmod(now_us, SECOND)
        self.do(self.client.hset(self._key("clock"), mapping={"s": str(seconds), "us": str(microseconds)}))

    def append_target(self, segment: str) -> None:
        """Write a target segment behind the others."""
        self.do(self.client.rpush(targets_key(self._onsale), segment))

    def replace_target(self, index: int, segment: str) -> None:
        """Write a target segment in place of another."""
        self.do(self.client.lset(targets_key(self._onsale), index, segment))

    def revoked(self) -> list[str]:
        """List the sessions which gates are told to refuse."""
        entries = self.do(self.client.xrange(self._key("revocations")))
        return [fields["session"] for _, fields in entries]

    def room(self) -> Mapping[str, str]:
        """Read the room's hash."""
        fields = self.do(self.client.hgetall(self._key("room")))
        return {str(name): str(value) for name, value in fields.items()}

    def read(self, now_us: int) -> dict[str, object]:
        """Read all that the scripts keep of places, batches, late buyers and live sessions at `now_us`; of one epoch."""
        return self.do(self._read(now_us))

    async def _read(self, now_us: int) -> dict[str, object]:
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._key("room"))
            pipe.lrange(self._key("late"), 0, -1)
            pipe.lrange(self._key("batches"), 0, -1)
            pipe.zrange(self._key("sessions"), f"({now_us}", "+inf", byscore=True, withscores=True)
            pipe.lrange(targets_key(self._onsale), 0, -1)
            room, late, batches, sessions, targets = await pipe.execute()
        epoch = room["epoch"]
        counters = {
            name: int(float(room.get(f"{name}:{epoch}", "0"))) for name in ("tail", "released", "settled")
        }
        counters |= {name: int(float(room.get(name, "0"))) for name in ("outstanding", "claimed", "no_shows")}
        return {
            **counters,
            "bits": await self.client.bitcount(self._key(f"claimed:{epoch}")),
            "late": [int(member.split(":")[1]) for member in late],
            "batches": [tuple(batch.split(":")[1:]) for batch in batches],
            "sessions": {session: int(ends_us) for session, ends_us in sessions},
            "targets": targets,
        }

    def _key(self, name: str) -> str:
        return f"{{{self._onsale}}}:{name}"
