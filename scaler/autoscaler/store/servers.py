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

ASK_EVERY_S = 1.0


class OnceMore(Retry):
    """Tries once more, at once: a connection which a restarted store has closed shows only when it is used.

    uvloop tells with a RuntimeError that a connection was reset, which the library hands on as it is.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1)

    async def call_with_retry(self, do: Callable[[], Awaitable[Value]], *args: Any, **kwargs: Any) -> Value:
        """Call, and once more if the connection is gone."""

        async def attempt() -> Value:
            try:
                return await do()
            except RuntimeError as error:
                raise StoreConnectionError(str(error)) from error

        return await super().call_with_retry(attempt, *args, **kwargs)


class MasterPool(SentinelConnectionPool):
    """Connections to the master, which leave it within about a second once the Sentinels name another."""

    _asked_at_s = 0.0

    async def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Hand out a connection to the present master; without an answer of the Sentinels, to the last one known."""
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

    sentinels: Sentinel | None = None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to the master and to the Sentinels."""
        await super().aclose(close_connection_pool)
        if self.sentinels is not None:
            await self.sentinels.aclose()


class ClusterClient(RedisCluster):
    """A client of a cluster, whose errors are all `RedisError`s."""

    def __init__(self, address: Address, options: dict[str, Any]) -> None:
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
        """Ask the cluster for its servers, if that has to be done; an IndexError is the library's, where one knows no master."""
        try:
            await super().initialize(*args, **kwargs)
        except (RedisClusterException, IndexError) as error:
            raise StoreConnectionError(f"cluster: {error}") from error
        return self

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command on the server of its key; where there is none, the next call asks the cluster anew."""
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


def open_master(address: Address, options: dict[str, Any]) -> MasterClient:
    """Make a client of the master."""
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # the library gives it no types
        address.hosts, sentinel_kwargs={**address.sentinel_options(options), "retry": OnceMore()}
    )
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
