"""A child of the benchmark `loop`: a scaler with everything that it has at work, whose rounds are made when asked for."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from autoscaler.clock import SystemClock
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.instrumentation.prometheus import PrometheusInstrument
from autoscaler.instrumentation.structured import StructlogInstrument
from autoscaler.plan import make_plan
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.scaler import Scaler, open_scaler
from autoscaler.settings import ScalerSettings
from rulebook.observation import Missing
from tests.benchmarks.children import obey, resident_kb
from tidegate.logs import LogFormat, LogLevel, configure_logs


class HurriedClock(SystemClock):
    """A clock that can be told that more time has passed."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self._ahead_s

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self._ahead_s

    def pass_by(self, seconds: float) -> None:
        self._ahead_s += seconds


class Measured:
    """Makes rounds and counts what they take; what goes on behind a round counts with the next one."""

    def __init__(self, scaler: Scaler, clock: HurriedClock, interval_s: float) -> None:
        self._scaler = scaler
        self._clock = clock
        self._interval_s = interval_s
        self._cpu_s = time.process_time()

    async def round(self) -> dict[str, Any]:
        self._clock.pass_by(self._interval_s)
        begun_s = time.perf_counter()
        await self._scaler.crew.evaluate()
        seconds, cpu_s = time.perf_counter() - begun_s, time.process_time()
        took_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        failures = [why for name in self._scaler.loops if (why := self._failure_of(name))]
        return {"seconds": seconds, "cpu_s": took_s, "rss_kb": resident_kb(), "failures": failures}

    def _failure_of(self, name: str) -> str:
        status = self._scaler.loops[name].status
        missing = [
            f"{signal}: {answer.reading.reason}"
            for signal, answer in status.answers.items()
            if isinstance(answer.reading, Missing)
        ]
        if missing or status.last_success_at_s == status.last_round_at_s:
            return ", ".join(missing)
        return f"{status.failures[-1].step}: {status.failures[-1].error}" if status.failures else "failed"


async def work(options: dict[str, Any]) -> None:
    """Open the scaler, and make rounds until the input ends."""
    folder = Path(options["folder"])
    settings = ScalerSettings(
        rules=(folder / "rules",),
        store_url=options["store"],
        prometheus=PrometheusAccess(options["prometheus"]),
        kubeconfig=folder / "kubeconfig",
        kubernetes_qps=200.0,  # what an operator of so many rules would give
        kubernetes_burst=50,
        once=True,  # no rounds but ours
    )
    clock = HurriedClock()
    instrument = Instruments((PrometheusInstrument(), StructlogInstrument()))
    async with open_scaler(settings, make_plan(settings), instrument, clock) as scaler:
        measured = Measured(scaler, clock, options["interval_s"])
        await obey({"round": measured.round})


if __name__ == "__main__":
    configure_logs(LogFormat.JSON, LogLevel.ERROR)
    uvloop.run(work(json.loads(sys.argv[1])))
