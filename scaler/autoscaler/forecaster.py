"""Keeps the history of the signals that rules forecast, and makes the forecasts, beside the rounds and never in their way.

A history begins with what Prometheus remembers of the signal's query, where it has one, and grows by each round's value. The
forecast itself is `rulebook.forecast`'s; fitting takes up to seconds, so it runs in a thread, once a slot, and rounds go by the
latest there is. Only the first is waited for, within the round's deadline: so that a scaler which begins right before the rush
knows of it, and `--once` too.

When the clock is corrected the history moves along, and the past is asked for again, as what it held was asked for by the
wrong clock: there it counts before what was seen here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.errors import brief
from autoscaler.prometheus.answers import Series
from autoscaler.prometheus.client import PrometheusClient
from rulebook.forecast import make_forecast
from rulebook.history import SEASONS, History, begin_history
from rulebook.observation import Expected, Missing
from rulebook.rule import ScalingRule
from rulebook.schedule import Forecast
from rulebook.signals import SignalSpec

LOOKS_A_SLOT: Final = 5
"""Values asked for of each slot, which keeps the highest."""
PAST_WITHIN_S: Final = 60.0
"""The range query's deadline; four seasons can be a lot to read."""
ASK_AGAIN_S: Final = 60.0
"""How long after a range query that failed."""

Past: TypeAlias = Callable[[float, float, float, float], Awaitable[Series | Missing]]
"""What a signal was: from, to (unix seconds), step and deadline (seconds)."""


class Forecaster:
    """The history of one rule's signal, and the latest forecast of it."""

    def __init__(
        self,
        forecast: Forecast,
        interval_s: float,
        past: Past | None,
        *,
        clock: Clock,
        background: Background,
    ) -> None:
        self._forecast = forecast
        self._interval_s = interval_s
        self._past = past
        self._recall_due = past is not None
        self._corrections = 0
        self._clock = clock
        self._background = background
        self._history = begin_history(forecast, interval_s)
        self._latest: Expected | Missing = Missing("no forecast was made yet")
        self._work: asyncio.Task[None] | None = None
        self._worked_at_s: float | None = None
        self._asked_at_s: float | None = None

    @property
    def signal(self) -> str:
        """The signal it is about."""
        return self._forecast.signal

    @property
    def history(self) -> History:
        """What is known of the signal."""
        return self._history

    async def foresee(self, deadline_s: float) -> Expected | Missing:
        """Return the latest forecast, and see to the next where one is due."""
        first = self._worked_at_s is None
        if self._work is None and self._is_due():
            self._worked_at_s = self._clock.monotonic_s()
            self._work = self._background.begin(self._renew())
        if first and self._work is not None:
            await asyncio.wait({self._work}, timeout=deadline_s)
        return self._latest

    def see(self, value: float, at_s: float) -> None:
        """Add what the signal is now."""
        self._history = self._history.with_value(value, at_s)

    def follow_clock(self, by_s: float) -> None:
        """Take note that the system clock was corrected by so many seconds; the next forecast is made at once."""
        self._history = self._history.moved(by_s)
        self._corrections += 1
        self._recall_due = self._past is not None
        self._worked_at_s = None

    def _is_due(self) -> bool:
        if self._worked_at_s is None:
            return True
        # A forecast holds for its horizon, so it must be renewed within that, however long the slots are.
        pace_s = max(min(self._history.slot_s, self._forecast.horizon_s / 2), self._interval_s)
        if self._recall_due:
            pace_s = min(pace_s, max(ASK_AGAIN_S, self._interval_s))
        return self._clock.monotonic_s() - self._worked_at_s >= pace_s

    async def _renew(self) -> None:
        try:
            refused = await self._recall()
            now_s = self._clock.now_s()
            made = await asyncio.to_thread(make_forecast, self._forecast, self._history, now_s)
            if isinstance(made, Missing) and refused:
                made = Missing(f"{made.reason}; its past cannot be read: {refused}")
            self._latest = made
        except Exception as error:  # of a library: the rounds go on without a forecast
            self._latest = Missing(f"{type(error).__name__}: {brief(error)}")
        finally:
            self._work = None

    async def _recall(self) -> str:
        """Put what is remembered elsewhere before what was seen here, once; returns why that cannot be done.

        After a correction of the clock only what is remembered elsewhere is sure to stand at its own time.
        """
        if self._past is None or not self._recall_due:
            return ""
        corrections = self._corrections
        now_s, slot_s = self._clock.now_s(), self._history.slot_s
        step_s = max(slot_s / LOOKS_A_SLOT, self._interval_s)
        series = await self._past(now_s - SEASONS * self._forecast.season_s, now_s, step_s, PAST_WITHIN_S)
        if isinstance(series, Missing):
            return series.reason
        recalled = await asyncio.to_thread(_fill, begin_history(self._forecast, self._interval_s), series)
        if corrections != self._corrections:
            return "the clock was corrected meanwhile"
        self._recall_due = False
        seen, merged = self._history, recalled
        first = seen.last - len(seen.values) + 1
        for place, value in enumerate(seen.values):
            if not corrections or recalled.at(first + place) is None:
                merged = merged.with_value(value, (first + place + 0.5) * slot_s)
        self._history = merged
        return ""


class Forecasters:
    """The forecasters of a scaler: a rule that is read anew keeps its own, unless the signal or the forecast has changed."""

    def __init__(self, clock: Clock, background: Background, prometheus: PrometheusClient | None) -> None:
        self._clock = clock
        self._background = background
        self._prometheus = prometheus
        self._kept: dict[str, tuple[tuple[Forecast, float, SignalSpec], Forecaster]] = {}

    def of(self, rule: ScalingRule) -> Forecaster | None:
        """Return a rule's forecaster; None where it forecasts nothing."""
        forecast, interval_s = rule.spec.forecast, rule.spec.interval_s
        if forecast is None:
            self._kept.pop(rule.name, None)
            return None
        signal = rule.spec.signal(forecast.signal)
        about = (forecast, interval_s, signal)
        kept = self._kept.get(rule.name)
        if kept is None or kept[0] != about:
            forecaster = Forecaster(
                forecast, interval_s, self._past_of(signal), clock=self._clock, background=self._background
            )
            kept = self._kept[rule.name] = (about, forecaster)
        return kept[1]

    def _past_of(self, signal: SignalSpec) -> Past | None:
        prometheus, query = self._prometheus, signal.prometheus
        if prometheus is None or query is None:
            return None

        async def past(start_s: float, end_s: float, step_s: float, deadline_s: float) -> Series | Missing:
            return await prometheus.range(query.query, start_s, end_s, step_s, deadline_s)

        return past


def _fill(history: History, series: Series) -> History:
    highest: dict[int, float] = {}
    for at_s, value in series.points:
        slot = int(at_s // history.slot_s)
        highest[slot] = max(highest.get(slot, value), value)
    for slot, value in sorted(highest.items()):
        history = history.with_value(value, (slot + 0.5) * history.slot_s)
    return history
