"""Runs the scripts on whichever server answers, and notices when that is not the one which answered before.

A server which was started again, or which took over from a failed one, has to be entered: `enter.lua` looks at its run id and
data and begins a new epoch if need be. Only then are the other scripts loaded there, by the same connection and if entering went
well, so whoever finds a script on a server knows that it was entered. Each text names its epoch and refuses to run in another:
a former master that comes back still has its scripts, but they are of the epoch before the one which its successor began. And
it names the onsale, because servers share the texts. In a cluster all this holds for the server of the onsale's slot.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import NoScriptError, ResponseError

from waitingroom.store.connect import StoreClient, server_of
from waitingroom.store.scripts import LOADED, script_source

# With this line a server checks before the first statement that scripts may write here: a replica answers none of them.
_FIRST = "#!lua\n"
_OF_EPOCH = """if redis.call('HGET', KEYS[1], 'epoch') ~= '{epoch}' then
  return redis.error_reply('UNCONFIGURED the store is in another epoch')
end
"""
_NOT_ENTERED = "no process of the waiting room has entered this server since it started"
_ENTERED_WITHIN_S = 1.0
_LOOK_AGAIN_S = 0.05


class UnknownServer(Exception):
    """The server doesn't know our scripts, or has no data of this onsale."""


class Scripts:
    """The scripts of one onsale on one store."""

    def __init__(self, client: StoreClient, key: str, onsale: str) -> None:
        self._client: Any = client
        self._key = key
        self._head = f"{_FIRST}-- onsale {onsale}\n"
        self._enter = self._head + script_source("enter")
        self._sources = {name: script_source(name) for name in LOADED}
        self._epoch = 0
        self._texts: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    async def run(self, name: str, arguments: Sequence[str]) -> Any:
        """Run a script by its digest.

        Raises:
            UnknownServer: enter the server first.
            RedisError: whatever else went wrong.
        """
        if self._epoch:
            tried = self._epoch
            try:
                return await self._run(name, arguments)
            except UnknownServer:
                await self._follow_epoch()
                if self._epoch == tried:
                    raise
        else:
            await self._follow_epoch()
            # Whoever asked at the same time may have been the one that learnt of it.
            if not self._epoch:
                raise UnknownServer(_NOT_ENTERED)
        return await self._run(name, arguments)

    async def run_entered(self, name: str, arguments: Sequence[str]) -> Any:
        """Run a script for one who enters no server: as `run`, but gives a process of the room a moment to do so.

        Raises:
            UnknownServer: none did; nothing was run.
            RedisError: whatever else went wrong.
        """
        deadline_s = time.monotonic() + _ENTERED_WITHIN_S
        while True:
            try:
                return await self.run(name, arguments)
            except UnknownServer:
                if time.monotonic() >= deadline_s:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def enter(self, arguments: Sequence[str]) -> Any:
        """Run `enter.lua`, then load the others, on one connection; returns its snapshot.

        Raises:
            RedisError: nothing was loaded that had not been entered.
        """
        async with server_of(self._client, self._key) as server:
            pool: Any = server.connection_pool
            connection = await pool.get_connection()
            try:
                snapshot = await _ask(connection, "EVAL", self._enter, 1, self._key, *arguments)
                self._use_epoch(int(await _ask(connection, "HGET", self._key, "epoch")))
                for text in self._texts.values():
                    await _ask(connection, "SCRIPT", "LOAD", text)
            except BaseException:
                # An answer may still be under way, or the server be a master no more: the next one starts afresh.
                await connection.disconnect()
                raise
            finally:
                await pool.release(connection)
        return snapshot

    async def _run(self, name: str, arguments: Sequence[str]) -> Any:
        try:
            return await self._client.evalsha(self._digests[name], 1, self._key, *arguments)
        except NoScriptError as error:
            raise UnknownServer(_NOT_ENTERED) from error
        except ResponseError as error:
            if str(error).startswith("UNCONFIGURED"):
                raise UnknownServer(_NOT_ENTERED) from error
            raise

    async def _follow_epoch(self) -> bool:
        """Use the epoch that the data shows, if it is newer than ours: another process has entered a server. Never go back."""
        epoch = int(await self._client.hget(self._key, "epoch") or 0)
        if epoch <= self._epoch:
            return False
        self._use_epoch(epoch)
        return True

    def _use_epoch(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        head = self._head + _OF_EPOCH.format(epoch=epoch)
        self._texts = {name: head + source for name, source in self._sources.items()}
        self._digests = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }
        self._epoch = epoch


async def _ask(connection: Any, *command: Any) -> Any:
    """Send one command by a connection as it is: one that broke is not opened again, as another server might answer then."""
    if not connection.is_connected:
        raise StoreConnectionError("the connection broke while the store was entered")
    await connection.send_command(*command)
    return await connection.read_response()
