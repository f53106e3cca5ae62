"""The scaler at work: store, pools and loops, opened in the order in which they need each other and closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.forecaster import Forecasters
from autoscaler.instrumentation.events import Instrument
from autoscaler.loop import LoopParts, RuleLoop
from autoscaler.plan import Plan
from autoscaler.prometheus.client import PrometheusClient
from autoscaler.prometheus.shared import SharedQueries
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.sources.exposition import ExpositionSource
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.sources.room import RoomSource
from autoscaler.store.connection import open_client
from autoscaler.store.figures import FigureReader
from autoscaler.store.target_writer import TargetWriter
from autoscaler.targets.local import LocalPool


@dataclass(frozen=True, slots=True)
class Scaler:
    """The loops of all rules, by name, and the clock they live by."""

    loops: Mapping[str, RuleLoop]
    clock: Clock


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
        writer = TargetWriter(client)
        background = Background()
        stack.push_async_callback(background.close)
        prometheus: PrometheusClient | None = None
        queries: SharedQueries | None = None
        if settings.prometheus is not None:
            prometheus = PrometheusClient(settings.prometheus, http, clock)
            prometheus.check()
            queries = SharedQueries(prometheus, clock, background, instrument)
        forecasters = Forecasters(clock, background, prometheus)
        pools: dict[str, LocalPool] = {}
        loops: dict[str, RuleLoop] = {}
        for rule in plan.rules:
            pools[rule.name] = LocalPool(plan.pool_of(rule), logs=settings.logs, instrument=instrument)
            loops[rule.name] = RuleLoop(
                LoopParts(
                    rule=rule,
                    target=pools[rule.name],
                    signals=SignalReader(
                        rule,
                        exposition=ExpositionSource(http, clock),
                        room=room,
                        prometheus=None
                        if queries is None
                        else PrometheusSource(queries, rule.spec.interval_s),
                        forecaster=forecasters.of(rule),
                    ),
                    writer=writer,
                    instrument=instrument,
                    clock=clock,
                    settings=settings,
                )
            )
        await stack.enter_async_context(_in_background(*(loop.follow() for loop in loops.values())))
        stack.push_async_callback(_stop_all, list(pools.values()))
        for rule in plan.rules:
            await pools[rule.name].start(rule.spec.replicas.min)
        if settings.once:
            await asyncio.gather(*(loop.evaluate() for loop in loops.values()))
        else:
            await stack.enter_async_context(_in_background(*(loop.run() for loop in loops.values())))
        yield Scaler(loops, clock)


async def _stop_all(pools: list[LocalPool]) -> None:
    await asyncio.gather(*(pool.stop() for pool in pools))


@asynccontextmanager
async def _in_background(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
