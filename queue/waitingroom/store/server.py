"""Runs the scripts on whichever server answers, and notices when that is not the one which answered before.

A server which was started again, or which took over from a failed one, has an empty script cache. No script is ever loaded
before `enter.lua` has looked at that server's run id and data, and both happen in one go on one connection: so whoever finds a
script there knows that the epoch is right, without asking. The texts differ by onsale (a comment), because servers share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from waitingroom.store.scripts import LOADED, script_source


class UnknownServer(Exception):
    """The server doesn't know our scripts, or has no data of this onsale."""


class Scripts:
    """The scripts of one onsale on one store."""

    def __init__(self, client: Redis, key: str, onsale: str) -> None:
        self._client = client
        self._key = key
        head = f"-- onsale {onsale}\n"
        self._enter = head + script_source("enter")
        self._texts = {name: head + script_source(name) for name in LOADED}
        self._digests = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }

    async def run(self, name: str, arguments: Sequence[str]) -> Any:
        """Run a script by its digest.

        Raises:
            UnknownServer: enter the server first.
            RedisError: whatever else went wrong.
        """
        try:
            return await self._client.evalsha(self._digests[name], 1, self._key, *arguments)
        except NoScriptError as error:
            raise UnknownServer(name) from error
        except ResponseError as error:
            if str(error).startswith("UNCONFIGURED"):
                raise UnknownServer(name) from error
            raise

    async def enter(self, arguments: Sequence[str]) -> Any:
        """Run `enter.lua`, then load the others, on one connection; returns its snapshot.

        Raises:
            RedisError: nothing was loaded that had not been entered.
        """
        # A transaction would do no more: what matters is the order, and that a broken connection ends it.
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.eval(self._enter, 1, self._key, *arguments)
            for text in self._texts.values():
                pipeline.script_load(text)
            replies = await pipeline.execute()
        return replies[0]
