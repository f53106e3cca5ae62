"""What goes wrong with a Prometheus takes no replica from a shop in use, stops no loop, and can be seen (P10).

A real Prometheus scrapes a real exporter; the loop asks it through a front that can misbehave. The target only counts.
"""

import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import Gauge

from autoscaler.clock import SystemClock
from autoscaler.loop import RuleLoop
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.status import status_json
from tests.autoscaler.fakes import FakeTarget, Recorder, make_loop, make_rule
from tests.autoscaler.prometheus_asking import asking
from tests.autoscaler.prometheus_front import Front, answering, hanging_up, never, running_front
from tests.autoscaler.prometheus_server import (
    Exporter,
    Prometheus,
    until_scraped,
)
from tests.autoscaler.running import RULE, running_scaler, write_documents

AT_ONCE = {"scaleDown": {"stabilizationWindowSeconds": 0}, "scaleUp": {"stabilizationWindowSeconds": 0}}
ROUNDS = 5
NUMBERS = itertools.count()


@dataclass
class Stage:
    """All that plays: a fault does something to one of them and undoes it."""

    name: str
    prometheus: Prometheus
    exporter: Exporter
    busy: Gauge
    front: Front
    target: FakeTarget
    loop: RuleLoop

    async def rounds_until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Do rounds until the rule's part of /status is as wished."""
        ends_s = time.monotonic() + 60.0
        while True:
            await self.loop.evaluate()
            status = status_json(self.loop.status)
            if condition(status):
                return status
            assert time.monotonic() < ends_s, status


@pytest.fixture
async def stage(prometheus: Prometheus, exporter: Exporter, recorder: Recorder) -> AsyncIterator[Stage]:
    name = f"busy_{next(NUMBERS)}"
    query = {"query": f"sum({name})", "freshness": f"min(timestamp({name}))"}
    signals = [{"name": "busy", "prometheus": query, "perReplica": 10.0, "maxAge": 30.0}]
    rule = make_rule(signals=signals, behavior=AT_ONCE, interval=1.0)
    busy = Gauge(name, "Requests under way.", registry=exporter.registry)
    busy.set(80)
    async with running_front(prometheus.url) as front, asking(front.url) as queries:
        target = FakeTarget(replicas=8)
        source = PrometheusSource(queries, interval_s=0.0)
        loop = make_loop(rule, target=target, clock=SystemClock(), recorder=recorder, prometheus=source)
        await until_scraped(prometheus, name, lambda value: value == 80)
        yield Stage(name, prometheus, exporter, busy, front, target, loop)
    exporter.registry.unregister(busy)
    exporter.page, exporter.gone = None, False


def stop(stage: Stage) -> Iterator[None]:
    stage.prometheus.stop()
    try:
        yield
    finally:
        stage.prometheus.start()


def behave(behaviour: Any) -> Callable[[Stage], Iterator[None]]:
    def fault(stage: Stage) -> Iterator[None]:
        stage.front.behave = behaviour
        yield
        stage.front.behave = None

    return fault


def gauge(value: float) -> Callable[[Stage], Iterator[None]]:
    def fault(stage: Stage) -> Iterator[None]:
        stage.busy.set(value)
        yield

    return fault


def gone(stage: Stage) -> Iterator[None]:
    stage.exporter.gone = True
    yield
    stage.exporter.gone = False


def stuck(stage: Stage) -> Iterator[None]:
    """An exporter that hands on what it heard two minutes ago, with the time it heard it."""
    then_ms = int((time.time() - 120) * 1000)
    stage.exporter.page = lambda: f'{stage.name}{{from="afar"}} 10 {then_ms}\n'
    yield
    stage.exporter.page = None


def two(stage: Stage) -> Iterator[None]:
    stage.front.behave = answering(200, '{"status": "success", "data": {"resultType": "vector", "result": ['
        '{"metric": {"pod": "a"}, "value": [1, "1"]}, {"metric": {"pod": "b"}, "value": [1, "2"]}]}}')  # fmt: skip
    yield
    stage.front.behave = None


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        pytest.param(stop, "HTTP 50", id="down", marks=pytest.mark.slow),
        pytest.param(behave(hanging_up), "Server disconnected", id="hanging up"),
        pytest.param(behave(never), "no answer within 0.72 s", id="slow"),
        pytest.param(behave(answering(500)), "HTTP 500", id="broken"),
        pytest.param(behave(answering(200, "<html>", "text/html")), "login page", id="a login page"),
        pytest.param(gone, "empty: no series matches", id="nothing to scrape"),
        pytest.param(gauge(float("nan")), "NaN", id="NaN"),
        pytest.param(gauge(float("inf")), "+Inf", id="Inf"),
        pytest.param(two, "2 series, where one number is needed; they differ in pod", id="several series"),
    ],
)
async def test_replicas_stay_the_loop_goes_on_and_the_reason_is_shown(
    stage: Stage, fault: Callable[[Stage], Iterator[None]], why: str
) -> None:
    await stage.rounds_until(lambda status: "value" in status["signals"]["busy"])
    steps = iter(fault(stage))
    next(steps)
    status = await stage.rounds_until(lambda status: why in status["signals"]["busy"].get("missing", ""))
    rounds = status["rounds"]
    # A round on a busy machine may be too late to hear why, and says that instead.
    status = await stage.rounds_until(
        lambda status: status["rounds"] >= rounds + ROUNDS and why in status["decision"]["reason"]
    )
    assert stage.target.scaled == []
    assert status["errors"] == []
    next(steps, None)
    stage.busy.set(30)
    await stage.rounds_until(lambda status: status["signals"]["busy"].get("value") == 30)
    assert stage.target.scaled == [3]


async def test_stale_samples_are_told_by_their_own_time(stage: Stage) -> None:
    steps = iter(stuck(stage))
    began_s = time.time()
    next(steps)
    status = await stage.rounds_until(lambda status: status["signals"]["busy"].get("value") == 10)
    told = re.search(r"stale: (\d+)", status["decision"]["recommendations"][0]["detail"])
    assert told is not None
    assert 119 <= int(told[1]) <= 121 + time.time() - began_s
    rounds = status["rounds"]
    await stage.rounds_until(lambda status: status["rounds"] >= rounds + ROUNDS)
    assert stage.target.scaled == []
    next(steps, None)


@pytest.mark.slow
async def test_a_restart_of_prometheus_changes_nothing(stage: Stage) -> None:
    await stage.rounds_until(lambda status: status["signals"]["busy"].get("value") == 80)
    stage.prometheus.stop()
    stage.prometheus.start()
    status = await stage.rounds_until(lambda status: status["signals"]["busy"].get("value") == 80)
    assert status["replicas"] == 8
    assert stage.target.scaled == []


PROMETHEUS_RULE = RULE.replace(
    "exposition: {gauge: busy, aggregate: max}", "prometheus: {query: vector(35)}"
).replace("interval: 500ms", "interval: 1s\n  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}")


@asynccontextmanager
async def whole_scaler(
    tmp_path: Path, url: str
) -> AsyncIterator[Callable[[Callable[[dict[str, Any]], bool]], Awaitable[dict[str, Any]]]]:
    settings = write_documents(tmp_path, rule=PROMETHEUS_RULE)
    async with running_scaler(replace(settings, prometheus=PrometheusAccess(url=url))) as http:

        async def status_when(condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            return await shown_when(http, condition)

        yield status_when


async def shown_when(
    http: aiohttp.ClientSession, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    ends_s = time.monotonic() + 60.0
    while True:
        async with http.get("/status") as response:
            status: dict[str, Any] = (await response.json())["rules"]["web"]
        if condition(status):
            return status
        assert time.monotonic() < ends_s, status


@pytest.mark.slow
async def test_a_scaler_outlives_its_prometheus(prometheus: Prometheus, tmp_path: Path) -> None:
    async with whole_scaler(tmp_path, prometheus.url) as status_when:
        await status_when(lambda rule: rule["ready"] == 2)
        prometheus.stop()
        try:
            # Not at once: the last question may have met a server that was about to end.
            status = await status_when(
                lambda rule: rule["signals"]["busy"].get("missing", "").endswith("Connection refused")
            )
            rounds = status["rounds"]
            status = await status_when(lambda rule: rule["rounds"] >= rounds + 3)
            assert (status["replicas"], status["ready"]) == (2, 2)
        finally:
            prometheus.start()
        status = await status_when(lambda rule: rule["signals"]["busy"].get("value") == 35)
        assert status["replicas"] == 2
