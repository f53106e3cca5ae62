"""One crowd before one stack: watched until everyone is served and the replicas are down again."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence

from tidegate.demo.blows import Struck, strike
from tidegate.demo.children import Child, start_child
from tidegate.demo.errors import ChildDied
from tidegate.demo.figures import Evidence, Terms
from tidegate.demo.limits import STARTUP_S, highest_rate_within_slo
from tidegate.demo.optimum import Capacity, optimum_seconds
from tidegate.demo.options import DemoOptions
from tidegate.demo.overadmission import Ceiling, without_rate
from tidegate.demo.progress import WINDOW_S, Progress
from tidegate.demo.records import BuyerRecord, RateSample, ServedEntry, read_records, write_records
from tidegate.demo.sampling import EVERY_S, Sampler
from tidegate.demo.scenarios import MID_SALE_SHARE, Blow
from tidegate.demo.screen import Screen
from tidegate.demo.shapes import Arrivals, plan
from tidegate.demo.stack import Stack
from tidegate.demo.table import Snapshot

_SLACK_S = 60.0
"""Beyond the crowd's own seconds and twice the optimum, a run may take this much longer before it is given up."""

_TOLD = {Blow.REPLICA_KILLED: "a replica of the shop dies", Blow.STORE_KILLED: "the store dies"}
_SCALE_DOWN_WITHIN_S = 60.0
_CROWD_GRACE_S = 20.0


class Performance:
    """Plays a crowd; the evidence is complete once the stack has been stopped too."""

    def __init__(self, options: DemoOptions, stack: Stack, screen: Screen) -> None:
        """Prepare."""
        self._options = options
        self._stack = stack
        self._screen = screen
        self._sampler = Sampler(stack)
        self._progress = Progress(time.time())
        self._records = stack.folder / "buyers.jsonl"
        self._striking: asyncio.Task[Struck] | None = None

    @property
    def struck(self) -> Struck | None:
        """What has befallen the sale; None while nothing has."""
        if self._striking is None or not self._striking.done():
            return None
        return self._striking.result()

    @property
    def terms(self) -> Terms:
        """What was agreed for the run, and what befell it."""
        replicas, scenario = self._stack.documents.rule.spec.replicas, self._options.scenario
        struck, opens_s = self.struck, self._stack.opens_s
        capacity = Capacity(
            replicas.max,
            replicas.min,
            STARTUP_S,
            has_prequeue=scenario.arrivals is not Arrivals.RUSH,
            rate_per_replica=highest_rate_within_slo(scenario.slowdown),
            setbacks=() if struck is None else (struck.setback(opens_s),),
        )
        return Terms(opens_s, capacity, Ceiling.of(self._stack.documents.onsale))

    async def play(self) -> None:
        """Send the crowd, wait until it is done and the shop small again.

        Raises:
            DemoError: a process of the stack, or the crowd, ended early; or what was to befall the sale could not.
        """
        async with self._sampler.watching():
            await self._play()

    async def _play(self) -> None:
        crowd = await start_child("crowd", self._crowd_command(), self._stack.folder, piped=True)
        reader = asyncio.create_task(self._follow(crowd))
        try:
            done = await self._watch(lambda: crowd.ended, self._time_limit_s())
        finally:
            await crowd.stop(_CROWD_GRACE_S)
            await reader
            await self._end_strike()
        if crowd.process.returncode != 0 or not self._records.exists():
            raise ChildDied(f"crowd ended with status {crowd.process.returncode}{crowd.tail()}")
        if not done:
            self._screen.say("time is up: not everyone has been served")
        await self._watch(self._is_small_again, _SCALE_DOWN_WITHIN_S, "everyone is through, scaling down")

    async def stay(self) -> None:
        """Leave everything up, until cancelled. Nothing is sampled any more: the sale is over.

        Raises:
            DemoError: a process of the stack ended.
        """
        self._screen.show(self._snapshot("the sale is over: up until Ctrl-C"))
        while True:
            self._stack.check()
            await asyncio.sleep(EVERY_S)

    def evidence(self) -> Evidence:
        """Gather what there is to count, and leave the samples beside the other records."""
        folder = self._stack.folder
        write_records(folder / "rates.jsonl", self._sampler.rates)
        write_records(folder / "replicas.jsonl", self._sampler.replicas)
        write_records(folder / "targets.jsonl", self._sampler.targets)
        served = [
            entry
            for log in self._stack.served_log.glob("*.jsonl")
            for entry in read_records(ServedEntry, log)
        ]
        buyers = read_records(BuyerRecord, self._records)
        return Evidence(buyers, served, self._rates(), self._sampler.replicas, self._sampler.targets)

    def _rates(self) -> Sequence[RateSample]:
        """Return the samples of the rate; while the store was down it was none."""
        struck, rates = self.struck, self._sampler.rates
        if struck is None or struck.blow is not Blow.STORE_KILLED:
            return rates
        return without_rate(rates, struck.at_s, struck.until_s, "the store is down")

    async def _watch(self, is_done: Callable[[], bool], within_s: float, phase: str = "") -> bool:
        """Show until it is done; False if that took longer than `within_s`."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + within_s
        while not is_done():
            begun = clock()
            if begun > deadline:
                return False
            self._stack.check()
            self._strike_if_due()
            self._screen.show(self._snapshot(phase))
            await asyncio.sleep(max(0.0, EVERY_S - (clock() - begun)))
        return True

    def _strike_if_due(self) -> None:
        blow = self._options.scenario.blow
        if blow is None:
            return
        if self._striking is None:
            if self._progress.served >= MID_SALE_SHARE * self._options.buyers:
                self._screen.say(f"{_TOLD[blow]}: kill -9")
                self._striking = asyncio.create_task(strike(blow, self._stack))
        elif self._striking.done():
            self._striking.result()  # what went wrong ends the run

    async def _end_strike(self) -> None:
        if self._striking is not None and not self._striking.done():
            self._striking.cancel()
            await asyncio.wait({self._striking})

    async def _follow(self, crowd: Child) -> None:
        assert crowd.process.stdout is not None  # noqa: S101 - it was asked for
        async for text in crowd.process.stdout:
            self._progress = Progress(**json.loads(text))

    def _is_small_again(self) -> bool:
        least = self._stack.documents.rule.spec.replicas.min
        newest = self._sampler.replicas[-1] if self._sampler.replicas else None
        return newest is not None and newest.desired <= least and newest.ready <= least

    def _time_limit_s(self) -> float:
        options = self._options
        seconds, arrivals = options.arrive_within_s, options.scenario.arrivals
        times_s = (each.arrive_at_s for each in plan(options.buyers, seconds, options.seed, arrivals))
        optimum_s = optimum_seconds(times_s, self.terms.capacity)
        return self.terms.opens_s - time.time() + seconds + 2.0 * optimum_s + _SLACK_S

    def _crowd_command(self) -> list[str]:
        options, stack = self._options, self._stack
        return [
            *(sys.executable, "-m", "tidegate.demo.crowd"),
            *("--room", stack.endpoints.room, "--gate", stack.endpoints.gate),
            *("--onsale", stack.documents.onsale.name, "--opens", repr(stack.opens_s)),
            *("--buyers", str(options.buyers), "--seed", str(options.seed)),
            *("--seconds", repr(options.arrive_within_s), "--arrivals", options.scenario.arrivals),
            *("--out", str(self._records)),
        ]

    def _snapshot(self, phase: str) -> Snapshot:
        now = time.time()
        rate = self._sampler.rates[-1] if self._sampler.rates else None
        replicas = self._sampler.replicas[-1] if self._sampler.replicas else None
        progress, endpoints = self._progress, self._stack.endpoints
        return Snapshot(
            since_opening_s=now - self.terms.opens_s,
            phase=phase or ("the onsale is open" if now >= self.terms.opens_s else "the pre-queue fills"),
            page_url=f"{endpoints.room}/{self._stack.documents.onsale.name}/",
            gate_url=f"{endpoints.gate}/",
            status_url=f"{endpoints.scaler}/status",
            buyers=self._options.buyers,
            joined=progress.joined,
            waiting=rate.waiting if rate else None,
            released=rate.released if rate else None,
            in_shop=progress.in_shop,
            served=progress.served,
            left=progress.left,
            errors=progress.errors,
            desired=replicas.desired if replicas else None,
            ready=replicas.ready if replicas else None,
            rate_per_s=rate.rate_per_s if rate else None,
            rate_reason=rate.reason if rate else "",
            p95_ms=progress.p95_ms if now - progress.at_s < WINDOW_S else None,
        )
