"""The running scaler forecasts by what Prometheus remembers and by what it has seen itself."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.background import Background
from autoscaler.clock import Clock, SystemClock
from autoscaler.forecaster import ASK_AGAIN_S, Forecaster, Forecasters, Past
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.prometheus.answers import Series
from autoscaler.status import status_json
from rulebook.observation import Expected, Missing, Value
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import (
    START_S,
    FakeSource,
    FakeTarget,
    ManualClock,
    Recorder,
    make_loop,
    make_rule,
    until,
)
from tests.autoscaler.prometheus_asking import asking_client
from tests.autoscaler.prometheus_server import Prometheus
from tests.autoscaler.running import running_scaler, write_documents

DAY_S = 86400.0
QUERY = {"name": "busy", "prometheus": {"query": "sum(busy_then)"}, "perReplica": 10.0}


class WatchedBackground(Background):
    """Tells whether some of the work that was begun is still under way."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: list[asyncio.Task[Any]] = []

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = super().begin(work)
        self._begun.append(task)
        return task

    @property
    def busy(self) -> bool:
        return not all(task.done() for task in self._begun)


@pytest.fixture
async def background() -> AsyncIterator[WatchedBackground]:
    background = WatchedBackground()
    yield background
    await background.close()


def forecasting(**forecast: Any) -> ScalingRule:
    fields = {"signal": "busy", "horizon": 600.0, "method": "seasonalNaive", **forecast}
    return make_rule(signals=[QUERY], forecast=fields)


def forecaster_of(
    rule: ScalingRule, clock: Clock, background: Background, past: Past | None = None
) -> Forecaster:
    assert rule.spec.forecast is not None
    return Forecaster(rule.spec.forecast, rule.spec.interval_s, past, clock=clock, background=background)


def yesterday(now_s: float) -> list[tuple[float, float]]:
    """Two days of a quiet 50, but for a rush to 400 which began a day before five minutes from now."""
    begins_s = now_s - DAY_S + 300

    def value(at_s: float) -> float:
        return 400.0 if begins_s <= at_s < begins_s + 600 else 50.0

    return [(at_s, value(at_s)) for at_s in (now_s - age_s for age_s in range(int(2 * DAY_S), 0, -60))]


@pytest.mark.parametrize("method", ["seasonalNaive", pytest.param("holtWinters", marks=pytest.mark.slow)])
async def test_a_new_scaler_knows_yesterdays_rush_from_prometheus(
    tmp_path: Path, background: Background, method: str
) -> None:
    prometheus = Prometheus(tmp_path)
    prometheus.remember("busy_then", yesterday(time.time()))
    prometheus.start()
    try:
        async with asking_client(prometheus.url) as client:
            forecasters = Forecasters(SystemClock(), background, client)
            forecaster = forecasters.of(forecasting(method=method))
            assert forecaster is not None
            expected = await forecaster.foresee(deadline_s=120.0)
    finally:
        prometheus.stop()
    assert isinstance(expected, Expected)
    assert expected.value == pytest.approx(400.0, rel=0.35 if method == "holtWinters" else 1e-9)
    assert expected.method == {"holtWinters": "Holt-Winters"}.get(method, "what it reached a season ago")


RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: shop}
  replicas: {min: 1, max: 4}
  interval: 1s
  signals:
    - name: busy
      prometheus: {query: sum(busy_then)}
      perReplica: 100
  forecast: {signal: busy, horizon: 10m, method: seasonalNaive}
"""


@pytest.mark.slow
async def test_a_scaler_that_is_started_right_before_the_rush_is_ready_for_it(tmp_path: Path) -> None:
    prometheus = Prometheus(tmp_path / "prometheus")
    prometheus.remember("busy_then", yesterday(time.time()))
    prometheus.start()
    try:
        settings = replace(
            write_documents(tmp_path, rule=RULE), prometheus=PrometheusAccess(url=prometheus.url)
        )
        async with running_scaler(settings) as http:
            ends_s = time.monotonic() + 60.0
            while True:
                async with http.get("/status") as response:
                    status = (await response.json())["rules"]["web"]
                if status["replicas"] == 4:
                    break
                assert time.monotonic() < ends_s, status
                await asyncio.sleep(0.1)
    finally:
        prometheus.stop()
    assert status["signals"]["busy"]["value"] == 50
    assert status["forecast"]["value"] == 400
    assert status["decision"]["bound_by"] in ("forecast", "max", "signals")


async def test_a_forecast_raises_the_count_before_the_rush_comes_again(
    clock: ManualClock, recorder: Recorder, background: WatchedBackground
) -> None:
    at_once = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}]},
        "scaleDown": {"stabilizationWindowSeconds": 0},
    }
    forecast = {"signal": "busy", "horizon": 30.0, "season": 120.0, "method": "seasonalNaive"}
    rule = make_rule(signals=[QUERY], forecast=forecast, behavior=at_once)
    source = FakeSource[Any](Value(20.0, START_S))
    forecaster = forecaster_of(rule, clock, background)
    target = FakeTarget(replicas=2)
    loop = make_loop(
        rule, target=target, clock=clock, recorder=recorder, prometheus=source, forecaster=forecaster
    )
    counts = []
    for turn in range(12):
        source.reading = Value(90.0 if turn == 3 else 20.0, clock.now_s())
        await loop.evaluate()
        await until(lambda: not background.busy)
        counts.append(target.state.replicas)
        clock.advance(15)
    # The rush of the fourth round is expected eight rounds later, and prepared for from one round before on.
    assert counts == [2, 2, 2, 9, 2, 2, 2, 2, 2, 2, 9, 9]
    decision = loop.status.decision
    assert decision is not None
    assert decision.bound_by == "forecast"
    assert "busy may reach 90 within 30 s" in decision.reason
    shown = status_json(loop.status)["forecast"]
    assert (shown["value"], shown["method"]) == (90.0, "what it reached a season ago")


async def test_what_cannot_be_read_is_not_remembered_as_anything(
    clock: ManualClock, recorder: Recorder, background: Background
) -> None:
    rule = make_rule(
        signals=[{**QUERY, "onMissing": "zero"}],
        forecast={"signal": "busy", "horizon": 600.0, "method": "seasonalNaive"},
    )
    forecaster = forecaster_of(rule, clock, background)
    source = FakeSource[Any](Missing("empty"))
    loop = make_loop(
        rule, target=FakeTarget(), clock=clock, recorder=recorder, prometheus=source, forecaster=forecaster
    )
    await loop.evaluate()
    assert forecaster.history.values == ()
    source.reading = Value(30.0, clock.now_s())
    await loop.evaluate()
    assert forecaster.history.values == (30.0,)
    assert status_json(loop.status)["forecast"] == {"missing": "no season was seen yet"}


async def test_a_past_that_cannot_be_read_is_asked_for_again_and_the_reason_shown(
    clock: ManualClock, background: WatchedBackground
) -> None:
    answers: list[Series | Missing] = [
        Missing("HTTP 503"),
        Series(tuple((clock.now_s() - DAY_S + ahead_s, 70.0) for ahead_s in (60, 360, 660))),
    ]
    asked: list[tuple[float, float, float]] = []

    async def past(start_s: float, end_s: float, step_s: float, deadline_s: float) -> Series | Missing:
        asked.append((start_s, end_s, step_s))
        return answers.pop(0)

    forecaster = forecaster_of(forecasting(), clock, background, past)
    forecaster.see(55.0, clock.now_s())
    refused = await forecaster.foresee(60.0)
    assert refused == Missing("no season was seen yet; its past cannot be read: HTTP 503")
    assert await forecaster.foresee(60.0) == refused
    clock.advance(ASK_AGAIN_S)
    await forecaster.foresee(60.0)
    await until(lambda: not background.busy)
    expected = await forecaster.foresee(60.0)
    assert isinstance(expected, Expected)
    assert expected.value == 70.0
    assert 55.0 in forecaster.history.values
    assert [round(end_s - start_s) for start_s, end_s, _ in asked] == [4 * DAY_S, 4 * DAY_S]
    assert asked[0][2] == 60.0


async def test_a_forecast_is_made_anew_within_its_horizon(
    clock: ManualClock, background: WatchedBackground
) -> None:
    week = forecaster_of(forecasting(season=7 * DAY_S), clock, background)
    week.see(5.0, clock.now_s() - 7 * DAY_S + 60)
    week.see(7.0, clock.now_s() - 7 * DAY_S + 600)
    first = await week.foresee(60.0)
    clock.advance(299)
    assert await week.foresee(60.0) is first
    assert not background.busy
    clock.advance(1)
    await week.foresee(60.0)
    await until(lambda: not background.busy)
    renewed = await week.foresee(60.0)
    assert isinstance(renewed, Expected)
    assert renewed.made_at_s == clock.now_s()


@pytest.mark.parametrize("remembered", [False, True], ids=["seen here only", "remembered elsewhere"])
async def test_a_clock_that_jumps_and_comes_back_costs_no_history(
    clock: ManualClock, recorder: Recorder, background: WatchedBackground, remembered: bool
) -> None:
    asked: list[float] = []

    async def past(start_s: float, end_s: float, step_s: float, deadline_s: float) -> Series | Missing:
        asked.append(end_s)
        begun_s = START_S - 240.0
        points = tuple((at_s, 90.0) for at_s in (begun_s, begun_s + 120.0) if start_s <= at_s <= end_s)
        return Series(points) if points else Missing("empty: no finite number in this range")

    rule = make_rule(signals=[QUERY], forecast={"signal": "busy", "horizon": 30.0, "season": 120.0})
    source = FakeSource[Any](Value(20.0, START_S))
    forecaster = forecaster_of(rule, clock, background, past if remembered else None)
    loop = make_loop(
        rule, target=FakeTarget(), clock=clock, recorder=recorder, prometheus=source, forecaster=forecaster
    )

    async def rounds(count: int) -> None:
        for _ in range(count):
            source.reading = Value(20.0, clock.now_s())
            await loop.evaluate()
            await until(lambda: not background.busy)
            clock.advance(15)

    await rounds(16)
    before = forecaster.history
    assert len(before.values) == (32 if remembered else 16)
    clock.correct(10 * DAY_S)
    await rounds(1)
    clock.correct(-10 * DAY_S)
    await rounds(1)
    slots = range(before.last - 15, before.last + 1)
    assert [forecaster.history.at(slot) for slot in slots] == [20.0] * 16
    assert forecaster.history.last == before.last + 2
    if remembered:
        assert asked == [START_S, START_S + 240.0 + 10 * DAY_S, START_S + 255.0]


async def test_what_was_recalled_by_a_wrong_clock_gives_way_to_the_past_itself(
    clock: ManualClock, background: WatchedBackground
) -> None:
    rush_s = clock.now_s() - DAY_S

    async def past(start_s: float, end_s: float, step_s: float, deadline_s: float) -> Series | Missing:
        hours = (rush_s - 6 * 3600 + 300 * slot for slot in range(24 * 12))
        return Series(tuple((at_s, 400.0 if at_s == rush_s else 50.0) for at_s in hours))

    clock.correct(3 * 3600)
    forecaster = forecaster_of(forecasting(), clock, background, past)
    await forecaster.foresee(60.0)
    clock.correct(-3 * 3600)
    forecaster.follow_clock(-3 * 3600)
    await forecaster.foresee(60.0)
    history = forecaster.history
    assert history.at(int(rush_s // history.slot_s)) == 400.0
    assert history.at(int((rush_s - 3 * 3600) // history.slot_s)) == 50.0


async def test_a_rule_that_is_read_anew_keeps_its_history(clock: ManualClock, background: Background) -> None:
    forecasters = Forecasters(clock, background, None)
    forecaster = forecasters.of(forecasting())
    assert forecasters.of(forecasting()) is forecaster
    assert forecasters.of(forecasting(season=3600.0)) is not forecaster
    assert forecasters.of(make_rule()) is None


def test_statsmodels_is_not_loaded_before_it_is_used() -> None:
    code = "import sys, autoscaler.service, tidegate.cli; sys.exit('statsmodels' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
