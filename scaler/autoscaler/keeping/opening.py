"""Opens the keeper that an operator asked for: the store, ConfigMaps, or none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autoscaler.clock import Clock
from autoscaler.keeping.keeper import Keeper
from autoscaler.settings import MemoryIn, ScalerSettings
from autoscaler.store.connection import StoreClient
from autoscaler.store.memories import StoreMemories


@asynccontextmanager
async def open_keeper(
    settings: ScalerSettings, store: StoreClient, clock: Clock
) -> AsyncIterator[Keeper | None]:
    """Have a keeper until the context ends; None where memories are to end with the process.

    Raises:
        ConfigurationError: no cluster is known, where they are to be kept in one.
    """
    if settings.memory is MemoryIn.NONE:
        yield None
    elif settings.memory is MemoryIn.STORE:
        yield StoreMemories(store)
    else:
        from autoscaler.kubernetes.memories import open_memories  # half a second to import

        async with open_memories(settings, clock) as memories:
            yield memories
