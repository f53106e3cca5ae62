"""The scaler at work: store, targets and loops, opened in the order in which they need each other and closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.crew import Crew, Equipment
from autoscaler.instrumentation.events import Instrument, Instruments
from autoscaler.keeping.keeping import Keeping
from autoscaler.keeping.opening import open_keeper
from autoscaler.loop import RuleLoop
from autoscaler.plan import Plan
from autoscaler.reload import Reloader
from autoscaler.settings import ScalerSettings
from autoscaler.sources.opening import Sources
from autoscaler.sources.room import RoomSource
from autoscaler.store.connection import open_client
from autoscaler.store.figures import FigureReader
from autoscaler.store.target_writer import TargetWriter
from autoscaler.targets.opening import Targets


@dataclass(frozen=True, slots=True)
class Scaler:
    """The loops of all rules, the clock they live by, and who puts changed documents in force."""

    crew: Crew
    clock: Clock
    reloader: Reloader

    @property
    def loops(self) -> Mapping[str, RuleLoop]:
        """The loops by the names of their rules."""
        return self.crew.loops


@asynccontextmanager
async def open_scaler(
    settings: ScalerSettings, plan: Plan, instrument: Instrument, clock: Clock
) -> AsyncIterator[Scaler]:
    """Start the pools and let the loops run until the context ends; with `once`, evaluate each rule once instead.

    At the end the loops stop first, then the pools, and the readiness is followed to the last: so the room is told that
    nothing is ready any more.

    Raises:
        AutoscalerError: the store's URL is none, or a pool cannot be started. A store that is down is no error.
    """
    async with AsyncExitStack() as stack:
        client = open_client(settings.store_url)
        stack.push_async_callback(client.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        room = RoomSource(FigureReader(client), clock)
        keeper = await stack.enter_async_context(open_keeper(settings, client, clock))
        keeping = None
        if keeper is not None:
            keeping = Keeping(keeper, clock=clock, term=lambda: settings.term, writes=not settings.dry_run)
            await stack.enter_async_context(keeping.running())
        instruments = Instruments((instrument,))
        targets = Targets(settings, instruments=instruments, clock=clock)
        background = Background()
        stack.push_async_callback(background.close)
        sources = Sources(
            settings, http=http, room=room, clock=clock, background=background, instrument=instruments
        )
        equipment = Equipment(
            settings=settings,
            clock=clock,
            instrument=instruments,
            writer=TargetWriter(client),
            open_target=targets.open,
            release_target=targets.release,
            signals_of=sources.of,
            keeping=keeping,
        )
        crew = Crew(equipment, runs=not settings.once)
        stack.push_async_callback(crew.dismiss)
        stack.push_async_callback(targets.close)
        stack.push_async_callback(crew.stop)
        await crew.begin(plan)
        reloader = Reloader(settings, crew)
        if settings.once:
            await crew.evaluate()
        else:
            await stack.enter_async_context(reloader.watching())
        yield Scaler(crew, clock, reloader)
