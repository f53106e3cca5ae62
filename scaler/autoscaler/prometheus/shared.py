"""Equal queries of all rules asked once: together while one is under way, and again from memory for half an interval.

Rules of the same interval run on the same grid, so that half an interval is enough to ask once for all of them; and an answer
is never older than that when a rule decides by it. Only answers are kept, not failures.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.instrumentation.events import Instrument, QueryAnswered
from autoscaler.prometheus.answers import Number
from autoscaler.prometheus.client import PrometheusClient
from rulebook.observation import Missing

SHARED_FOR = 0.5
"""Of the interval of the rule that asks."""
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A number and when we asked for it: unix and monotonic seconds of our own clock."""

    number: Number
    asked_at_s: float
    asked_at_monotonic_s: float


@dataclass(frozen=True, slots=True)
class _Flight:
    task: asyncio.Task[Heard | Missing]
    ends_s: float


class SharedQueries:
    """The queries of a process to one server."""

    def __init__(
        self, client: PrometheusClient, clock: Clock, background: Background, instrument: Instrument
    ) -> None:
        self._client = client
        self._clock = clock
        self._background = background
        self._instrument = instrument
        self._kept: dict[str, Heard] = {}
        self._flights: dict[str, _Flight] = {}
        self._tidied_s = clock.monotonic_s()

    async def ask(self, promql: str, deadline_s: float, interval_s: float) -> Heard | Missing:
        """Return what a query gives, within the deadline; nothing is raised."""
        ends_s = self._clock.monotonic_s() + deadline_s
        kept = self._kept.get(promql)
        if kept is not None and ends_s - deadline_s - kept.asked_at_monotonic_s < SHARED_FOR * interval_s:
            return kept
        while True:
            flight = self._flights.get(promql)
            if flight is None or flight.task.done():
                flight = _Flight(self._background.begin(self._fetch(promql, deadline_s)), ends_s)
                self._flights[promql] = flight
            # Whoever began the flight may give up on it; it ends by its own deadline.
            done, _ = await asyncio.wait({flight.task}, timeout=deadline_s)
            if not done:
                return Missing(f"no answer within {deadline_s:g} s")
            heard = flight.task.result()
            deadline_s = ends_s - self._clock.monotonic_s()
            # The flight was begun by a rule in more of a hurry: what it could not wait for, we can.
            if isinstance(heard, Heard) or flight.ends_s >= ends_s or deadline_s <= 0:
                return heard

    async def _fetch(self, promql: str, deadline_s: float) -> Heard | Missing:
        asked_at_s, started_s = self._clock.now_s(), self._clock.monotonic_s()
        number = await self._client.instant(promql, deadline_s)
        took_s = self._clock.monotonic_s() - started_s
        self._instrument.record(QueryAnswered(isinstance(number, Number), took_s))
        self._flights.pop(promql, None)
        if isinstance(number, Missing):
            self._kept.pop(promql, None)
            return number
        self._tidy(started_s)
        heard = self._kept[promql] = Heard(number, asked_at_s, started_s)
        return heard

    def _tidy(self, now_s: float) -> None:
        """Forget, once an hour, what nobody has asked for in an hour."""
        if now_s - self._tidied_s < _FORGOTTEN_AFTER_S:
            return
        self._tidied_s = now_s
        self._kept = {
            promql: heard
            for promql, heard in self._kept.items()
            if now_s - heard.asked_at_monotonic_s < _FORGOTTEN_AFTER_S
        }
