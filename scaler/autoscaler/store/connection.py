"""The connection to Valkey or Redis, one server or several. Opening it contacts nobody: the store may be down, and the scaler
starts all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from typing import Any, Final
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ReadOnlyError

from autoscaler.errors import ConfigurationError
from autoscaler.store.servers import ClusterClient, OnceMore, open_master
from rulebook.storeaddress import check_closed, check_host, public_form, read_address

TIMEOUT_S = 2.0
CONNECTIONS = 64
SCRIPTS_AT_ONCE = 32
"""All rules of an interval come at the same moment: what does not fit in waits, rather than fail for want of a connection."""

StoreClient = Redis | ClusterClient
"""What `open_client` returns; scripts run on each alike."""


def open_client(url: str, *, allow_open: bool = False) -> StoreClient:
    """Make a client whose calls give up after seconds; the next interval is the better retry.

    Raises:
        ConfigurationError: the URL is not one of a store, or of one elsewhere without a password and not `allow_open`.
    """
    try:
        address = read_address(url)
        check_closed(address, allow_open=allow_open)
    except ValueError as error:
        raise ConfigurationError(f"store {public_form(url)!r}: {error}") from error
    options = address.client_options(timeout_s=TIMEOUT_S, connections=CONNECTIONS)
    check = partial(check_host, address, allow_open=allow_open)
    if address.kind == "cluster":
        return ClusterClient(address, options, check)
    if address.kind == "sentinel":
        return open_master(address, options, check)
    # A name or a virtual address may lead to another server by now: a new connection finds out.
    return Redis(
        db=address.db,
        retry=OnceMore(),
        retry_on_error=[ReadOnlyError],
        **address.single_place(),
        **options,
    )


class Script:
    """A script of this package on a store. A server that does not know it is sent its text, whichever server that is."""

    def __init__(self, client: StoreClient, name: str) -> None:
        self._client: Any = client
        self._slots = _SLOTS.setdefault(client, asyncio.Semaphore(SCRIPTS_AT_ONCE))
        self._text = load_script(name)
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int | float] = ()) -> Any:
        """Run it.

        Raises:
            RedisError: it did not work.
        """
        async with self._slots:
            try:
                return await self._client.evalsha(self._digest, len(keys), *keys, *args)
            except NoScriptError:
                return await self._client.eval(self._text, len(keys), *keys, *args)


_SLOTS: Final[WeakKeyDictionary[StoreClient, asyncio.Semaphore]] = WeakKeyDictionary()


def load_script(name: str) -> str:
    """Return the text of a script of this package."""
    return files("autoscaler.store").joinpath(name).read_text(encoding="utf-8")
