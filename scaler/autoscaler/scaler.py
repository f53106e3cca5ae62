"""The scaler at work: store, targets and loops, opened in the order in which they need each other and closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.crew import Crew, Equipment
from autoscaler.ending import unless
from autoscaler.instrumentation.events import Instrument
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.keeping.keeping import Keeping
from autoscaler.keeping.opening import open_keeper
from autoscaler.leadership.duty import serve
from autoscaler.leadership.opening import open_leadership
from autoscaler.leadership.standing import Leadership
from autoscaler.loop import RuleLoop
from autoscaler.plan import Plan
from autoscaler.reload import Reloader
from autoscaler.settings import ScalerSettings
from autoscaler.sources.opening import Sources
from autoscaler.sources.room import RoomSource
from autoscaler.store.connection import StoreClient, open_client
from autoscaler.store.figures import FigureReader
from autoscaler.store.target_writer import TargetWriter
from autoscaler.targets.opening import Targets
from autoscaler.withdrawing import Withdrawer


@dataclass(frozen=True, slots=True)
class Scaler:
    """The loops of all rules, the clock they live by, who puts changed documents in force, and whether this one leads."""

    crew: Crew
    clock: Clock
    reloader: Reloader
    leadership: Leadership
    store: StoreClient

    @property
    def loops(self) -> Mapping[str, RuleLoop]:
        """The loops by the names of their rules."""
        return self.crew.loops


@asynccontextmanager
async def open_scaler(
    settings: ScalerSettings, plan: Plan, instrument: Instrument, clock: Clock
) -> AsyncIterator[Scaler]:
    """Start the pools and let the loops run until the context ends; with `once`, evaluate each rule once instead.

    Where several scalers settle which of them leads, all that happens while this one does, and ends when another has taken
    over; the documents are followed always. At the end the loops stop first, then the pools, and the readiness is followed to
    the last: so the room is told that nothing is ready any more. The lease is given back last.

    Raises:
        AutoscalerError: the store's URL is none or of an open store, a pool cannot be started, or no cluster is known to keep
            the lease in. A store that is down is no error.
    """
    async with AsyncExitStack() as stack:
        client = open_client(settings.store_url, allow_open=settings.allow_open_store)
        stack.push_async_callback(client.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        room = RoomSource(FigureReader(client), clock)
        instruments = Instruments((instrument,))
        leadership = await stack.enter_async_context(open_leadership(settings, clock, instruments))
        keeper = await stack.enter_async_context(open_keeper(settings, client, clock))
        keeping = None
        if keeper is not None:
            keeping = Keeping(
                keeper,
                clock=clock,
                term=lambda: leadership.term,
                check=leadership.check,
                outbid=leadership.outbid,
                writes=not settings.dry_run,
            )
            await stack.enter_async_context(keeping.running())
        targets = Targets(
            settings,
            instruments=instruments,
            clock=clock,
            check=leadership.check,
            may_tend=leadership.may_tend,
        )
        background = Background()
        stack.push_async_callback(background.close)
        sources = Sources(
            settings, http=http, room=room, clock=clock, background=background, instrument=instruments
        )
        writer = TargetWriter(client)
        withdrawer = Withdrawer(writer, leadership, instruments)
        equipment = Equipment(
            settings=settings,
            clock=clock,
            instrument=instruments,
            leadership=leadership,
            writer=writer,
            withdrawer=withdrawer,
            open_target=targets.open,
            release_target=targets.release,
            signals_of=sources.of,
            keeping=keeping,
        )
        crew = Crew(equipment, runs=not settings.once)
        if leadership.elected:
            crew.stand_by(plan)
            await stack.enter_async_context(_while_leading(leadership, crew, targets, clock))
        else:
            await stack.enter_async_context(_closing(crew, targets))
            await crew.begin(plan)
        reloader = Reloader(settings, crew)
        if settings.once:
            await crew.evaluate()
        else:
            await stack.enter_async_context(withdrawer.running())
            await stack.enter_async_context(reloader.watching())
        yield Scaler(crew, clock, reloader, leadership, client)


@asynccontextmanager
async def _closing(crew: Crew, targets: Targets) -> AsyncIterator[None]:
    """At the end, stop the loops, then the targets, and only then following them."""
    try:
        yield
    finally:
        await crew.stop()
        await targets.close()
        await crew.dismiss()


@asynccontextmanager
async def _while_leading(
    leadership: Leadership, crew: Crew, targets: Targets, clock: Clock
) -> AsyncIterator[None]:
    """For the time of the context, be at work whenever this process leads."""
    ending = asyncio.Event()

    @asynccontextmanager
    async def work() -> AsyncIterator[None]:
        async with _closing(crew, targets):
            await unless(ending, crew.take_over())
            yield

    serving = asyncio.create_task(serve(leadership, work, clock, ending), name="duty")
    try:
        yield
    finally:
        ending.set()
        await asyncio.gather(serving, return_exceptions=True)
