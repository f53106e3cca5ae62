"""Clients for a store of several servers: the master whom Sentinels name, or a cluster.

They mend in the library what would keep the loop from the store after a failover. The room has its own, which do more: it must
know which server it speaks to (decision 6).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import RedisClusterException, RedisError

from rulebook.storeaddress import Address

Value = TypeVar("Value")

CheckHost = Callable[[str], None]
"""Raises a ValueError for a server that must not be taken."""

ASK_EVERY_S = 1.0


class OnceMore(Retry):
    """Tries once more, at once: a connection which a restarted store has closed shows only when it is used.

    uvloop tells with a RuntimeError that a connection was reset, which the library hands on as it is.
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


class Sentinels(Sentinel):
    """All the Sentinels that were named, the one which answered last in front.

    The library brings it to the front by swapping places in one list. All rules ask at once: two of them could swap another one
    out for good, and once that had happened to all but one, its death hid the master.
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


class MasterPool(SentinelConnectionPool):
    """Connections to the master, which leave it within about a second once the Sentinels name another."""

    _asked_at_s = 0.0

    async def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Hand out a connection to the present master; without an answer of the Sentinels, to the last one known.

        Raises:
            RedisError: no master is known, or it does not answer.
        """
        now_s = time.monotonic()
        if self.master_address is not None and now_s - self._asked_at_s >= ASK_EVERY_S:
            self._asked_at_s = now_s
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


class MasterClient(Redis):
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
            # Where a part of the slots has no server, what lies in the others goes on.
            require_full_coverage=False,
            # Ask the named servers always: the library would forget them for those of an answer, which may name nobody.
            dynamic_startup_nodes=False,
            retry=OnceMore(),
            **options,
        )

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

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command on the server of its key.

        Raises:
            RedisError: it did not work; where no server has the key, the next call asks the cluster anew.
        """
        try:
            return await super().execute_command(*args, **kwargs)
        except (RedisClusterException, KeyError) as error:
            await self.aclose()
            raise StoreConnectionError(f"cluster: {error}") from error

    async def aclose(self) -> None:
        """Close all connections, also those of a client which was about to ask for the servers again."""
        await super().aclose()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")


def open_master(address: Address, options: dict[str, Any], check: CheckHost) -> MasterClient:
    """Make a client of the master; nothing is sent yet."""
    sentinels = Sentinels(
        address.hosts, sentinel_kwargs={**address.sentinel_options(options), "retry": OnceMore()}
    )
    sentinels.check = check
    client: MasterClient = sentinels.master_for(
        address.master,
        redis_class=MasterClient,
        connection_pool_class=MasterPool,
        db=address.db,
        retry=OnceMore(),
        **options,
    )
    client.sentinels = sentinels
    return client


def _see(check: CheckHost, host: str) -> None:
    try:
        check(host)
    except ValueError as error:
        raise StoreConnectionError(str(error)) from error
