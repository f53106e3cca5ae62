"""Opens the election that an operator asked for: a lease in Kubernetes, one in the store, or none."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from autoscaler.clock import Clock
from autoscaler.ending import end_tasks
from autoscaler.instrumentation.events import Instrument, LeadershipChanged
from autoscaler.leadership.elector import Elector, LeaseKeeper
from autoscaler.leadership.lease import Timings
from autoscaler.leadership.standing import Leadership
from autoscaler.settings import LeaseIn, ScalerSettings
from autoscaler.store.connection import open_client
from autoscaler.store.lease import StoreLease


def new_identity() -> str:
    """Return a name that tells people which process this is, and that no other process ever has."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


@asynccontextmanager
async def open_leadership(
    settings: ScalerSettings, clock: Clock, instrument: Instrument
) -> AsyncIterator[Leadership]:
    """Stand for election until the context ends, and then resign. The first try is over before the context begins.

    A single evaluation (`once`) is made without an election: whoever asks for it means it.

    Raises:
        ConfigurationError: no cluster is known, where the lease is to be kept in one; or the store's URL is none.
    """
    if settings.leader is LeaseIn.NONE or settings.once:
        alone = Leadership.undisputed(clock, new_identity())
        if not settings.once:
            told = LeadershipChanged(
                True, True, alone.holder, alone.term, "there is no lease: this one is alone"
            )
            instrument.record(told)
        yield alone
        return
    async with AsyncExitStack() as stack:
        keeper: LeaseKeeper
        if settings.leader is LeaseIn.KUBERNETES:
            from autoscaler.kubernetes.lease import open_lease  # half a second to import

            keeper = await stack.enter_async_context(open_lease(settings, clock, instrument))
        else:
            # A connection of its own: where the store is slow, the rules' calls take all others, and a lease that has to wait for
            # one, or to open one, is not renewed in time.
            store = open_client(settings.store_url, allow_open=settings.allow_open_store)
            stack.push_async_callback(store.aclose)
            keeper = StoreLease(store, settings.lease_name)
        timings = Timings.of(settings.lease_s)
        elector = Elector(keeper, new_identity(), timings, clock=clock, instrument=instrument)
        await elector.attempt()
        running = asyncio.create_task(elector.run(), name="election")
        try:
            yield elector.leadership
        finally:
            await end_tasks([running])
            await elector.resign()
