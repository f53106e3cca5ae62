"""Opens the store from its address: one server, a master which Sentinels name, or a cluster.

All give up after seconds and try once more, at once, on a new connection; whoever calls has a better plan for the rest. It knows
how to reach the server that holds a key, not what is done there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import ReadOnlyError, RedisClusterException, RedisError

from rulebook.storeaddress import Address, check_host, read_address
from waitingroom.store.turnstile import Turnstile

Value = TypeVar("Value")

CheckHost = Callable[[str], None]
"""Raises a ValueError for a server that must not be taken."""

_CONNECTIONS = 64
_COMMANDS_AT_ONCE = 48  # the rest is for whoever holds a connection for longer
_ASK_EVERY_S = 1.0


class Sentinels(Sentinel):
    """All the Sentinels that were named, the one which answered last in front.

    The library brings it to the front by swapping places in one list. Two callers at once could swap another one out for good:
    it was never asked again, and its connections stayed open.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # the library gives it no types
        self._named = tuple(self.sentinels)
        self.check: CheckHost = lambda host: None

    async def discover_master(self, service_name: str) -> Any:
        """Ask one after another where the master is.

        Raises:
            RedisError: none of them knows, or it is one that must not be taken.
        """
        try:
            host, port = await super().discover_master(service_name)
        finally:
            first = self.sentinels[0]
            self.sentinels = [first, *(each for each in self._named if each is not first)]
        _see(self.check, host)
        return host, port


class SentinelPool(SentinelConnectionPool):
    """Connections to the master, which leave it within about a second once the Sentinels name another.

    After a hand-over the former master takes writes for some ten seconds more, until the Sentinels demote it: what it gives out
    then is lost. The library would notice at the next new connection only.
    """

    _asked_at_s = 0.0

    async def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Hand out a connection to the present master.

        Raises:
            RedisError: there is none, or it does not answer.
        """
        now_s = time.monotonic()
        if self.master_address is not None and now_s - self._asked_at_s >= _ASK_EVERY_S:
            self._asked_at_s = now_s
            # Where no Sentinel answers, or none knows better, the sale goes on with the master that it has.
            with suppress(RedisError):
                await self.get_master_address()  # type: ignore[no-untyped-call]  # the library gives it no types
        connection: Any = await super().get_connection(*args, **kwargs)  # type: ignore[no-untyped-call]  # the same
        if (connection.host, connection.port) != self.master_address:
            try:
                await connection.disconnect()
                await connection.connect()
            except BaseException:
                await self.release(connection)
                raise
        return connection


class ServerClient(Redis):
    """A client of one server, whose commands wait for a connection where all are taken."""

    turnstile: Turnstile | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command.

        Raises:
            RedisError: it did not work, or the store is too slow for as many.
        """
        if self.turnstile is None:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # the library gives it no types
        async with self.turnstile:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # the library gives it no types


class SentinelClient(ServerClient):
    """A client of whichever server the Sentinels name as master."""

    sentinels: Sentinels | None = None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to the master and to the Sentinels."""
        await super().aclose(close_connection_pool)
        if self.sentinels is not None:
            await self.sentinels.aclose()


class ClusterClient(RedisCluster):
    """A client of a cluster, whose errors are all `RedisError`s."""

    def __init__(self, address: Address, options: dict[str, Any], check: CheckHost) -> None:
        self._check = check
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
            # Where a part of the slots has no server, the onsales in the others go on.
            require_full_coverage=False,
            # Ask the named servers always: the library would forget them for those of an answer, which may name nobody.
            dynamic_startup_nodes=False,
            retry=_OnceMore(),
            **options,
        )
        self._options = options
        self.turnstile = Turnstile(_COMMANDS_AT_ONCE, options["socket_timeout"])

    async def initialize(self, *args: Any, **kwargs: Any) -> ClusterClient:
        """Ask the cluster for its servers, if that has to be done.

        Raises:
            RedisError: none of them could tell, or it told of one that must not be taken.
        """
        try:
            await super().initialize(*args, **kwargs)
        except (RedisClusterException, IndexError) as error:
            # An IndexError of the library's: the server which answered knows of no master.
            raise StoreConnectionError(f"cluster: {error}") from error
        finally:
            # Also where it failed: one of these may not have answered, and need not be asked again.
            await self._see_servers()
        return self

    async def _see_servers(self) -> None:
        try:
            for node in self.get_nodes():
                _see(self._check, node.host)
        except StoreConnectionError:
            await self.aclose()  # the next call asks anew, and looks again
            raise

    async def aclose(self) -> None:
        """Close all connections, also those of a client which was about to ask for the servers again."""
        await super().aclose()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command on the server of its key.

        Raises:
            RedisError: it did not work; the next call asks the cluster anew for its servers if they may have changed.
        """
        try:
            async with self.turnstile:
                return await super().execute_command(*args, **kwargs)
        except (RedisClusterException, KeyError) as error:
            # No server has this slot (a KeyError in the library's table). Only a closed client looks again.
            await self.aclose()
            raise StoreConnectionError(f"cluster: {error}") from error

    def open_server(self, key: str) -> Redis:
        """Open a client of the one server which holds `key`, as far as the last answer told; it follows no redirection.

        Raises:
            RedisError: no server is known for its slot.
        """
        try:
            node = self.get_node_from_key(key)
        except RedisClusterException as error:
            raise StoreConnectionError(f"cluster: {error}") from error
        if node is None:
            raise StoreConnectionError("cluster: slot without a server")
        return Redis(host=node.host, port=int(node.port), retry=_OnceMore(), **self._options)


StoreClient = Redis | ClusterClient
"""What `connect` returns; scripts run on each alike."""


def connect(url: str, *, timeout_s: float = 2.0, allow_open: bool = False) -> StoreClient:
    """Open a client for an address of a form that `rulebook.storeaddress` knows; nothing is sent yet.

    A server that Sentinels or a cluster name is taken only if there is a password for it, it is on this machine, or `allow_open`
    says so: else the store does not answer, with that reason.

    Raises:
        ValueError: the address is of none of these forms.
    """
    address = read_address(url)
    check = partial(check_host, address, allow_open=allow_open)
    options = address.client_options(timeout_s=timeout_s, connections=_CONNECTIONS)
    match address.kind:
        case "cluster":
            return ClusterClient(address, options, check)
        case "sentinel":
            return _open_sentinel(address, options, check)
    # A name or a virtual address may lead to another server by now: a new connection finds out.
    client = ServerClient(
        db=address.db, retry=_OnceMore(), retry_on_error=[ReadOnlyError], **address.single_place(), **options
    )
    client.turnstile = Turnstile(_COMMANDS_AT_ONCE, timeout_s)
    return client


@asynccontextmanager
async def server_of(client: StoreClient, key: str) -> AsyncIterator[Redis]:
    """Have a client of the one server which holds `key`.

    Raises:
        RedisError: no server is known for it.
    """
    if isinstance(client, Redis):
        yield client
        return
    await client.initialize()
    server = client.open_server(key)
    try:
        yield server
    finally:
        await server.aclose()


def _open_sentinel(address: Address, options: dict[str, Any], check: CheckHost) -> SentinelClient:
    sentinels = Sentinels(
        address.hosts, sentinel_kwargs={**address.sentinel_options(options), "retry": _OnceMore()}
    )
    sentinels.check = check
    client: SentinelClient = sentinels.master_for(
        address.master,
        redis_class=SentinelClient,
        connection_pool_class=SentinelPool,
        db=address.db,
        retry=_OnceMore(),
        **options,
    )
    client.sentinels = sentinels
    client.turnstile = Turnstile(_COMMANDS_AT_ONCE, options["socket_timeout"])
    return client


def _see(check: CheckHost, host: str) -> None:
    try:
        check(host)
    except ValueError as error:
        raise StoreConnectionError(str(error)) from error


class _OnceMore(Retry):
    """Tries once more, at once: a pooled connection may have died with its server.

    That a connection was reset a moment ago, uvloop tells with a RuntimeError, which the library hands on as it is.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1)

    async def call_with_retry(self, do: Callable[[], Awaitable[Value]], *args: Any, **kwargs: Any) -> Value:
        """Call, and once more if the connection is gone.

        Raises:
            RedisError: it was gone again, or something else is wrong.
        """

        async def attempt() -> Value:
            try:
                return await do()
            except RuntimeError as error:
                raise StoreConnectionError(str(error)) from error

        return await super().call_with_retry(attempt, *args, **kwargs)
