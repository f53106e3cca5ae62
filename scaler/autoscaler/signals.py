"""Reads all signals of a rule at once: each source is asked for its queries together, and equal queries once.

With them comes the forecast, where the rule asks for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from autoscaler.errors import ConfigurationError, brief
from autoscaler.forecaster import Forecaster
from autoscaler.sources.base import Answer, Source
from rulebook.decision import Decision
from rulebook.floors import onsales_needed
from rulebook.forecast import has_statsmodels
from rulebook.observation import Crowd, Expected, Missing, Observation, OnsaleTimes
from rulebook.recommend import read
from rulebook.rule import ScalingRule
from rulebook.signals import ExpositionQuery, OnsaleSignal, PrometheusQuery

QueryT = TypeVar("QueryT")

# Sources get a little less than the whole time, so that they can tell what was late; we cut off those which cannot.
_SHARE_OF_SOURCES = 0.9


def check_sources(rule: ScalingRule, *, prometheus: bool) -> None:
    """See that every signal has a source that can be read; `prometheus` says whether a server is given.

    Raises:
        ConfigurationError: there is a signal whose source is not there, or a forecast that cannot be made here.
    """
    for signal in rule.spec.signals:
        if signal.prometheus is not None and not prometheus:
            raise ConfigurationError(
                f"rule {rule.name}, signal {signal.name}: is read from Prometheus, and no server is given; "
                "add --prometheus http://HOST:9090, or read it by `exposition` from the replicas' own /metrics pages"
            )
    forecast = rule.spec.forecast
    if forecast is not None and forecast.method == "holtWinters" and not has_statsmodels():
        raise ConfigurationError(
            f"rule {rule.name}: forecast.method holtWinters needs statsmodels; install tidegate[forecast], or write auto"
        )


class SignalReader:
    """Reads the signals of one rule."""

    def __init__(
        self,
        rule: ScalingRule,
        *,
        exposition: Source[ExpositionQuery],
        room: Source[OnsaleSignal],
        prometheus: Source[PrometheusQuery] | None = None,
        forecaster: Forecaster | None = None,
    ) -> None:
        signals = rule.spec.signals
        self.exposition = exposition
        """Holds the windows of counters and histograms; a reader of the rule's next form goes on with it."""
        self._spec = rule.spec
        self._forecaster = forecaster
        self._prometheus: _Batch[PrometheusQuery] | None = None
        if prometheus is not None:
            self._prometheus = _Batch(
                prometheus, ((signal.name, signal.prometheus) for signal in signals if signal.prometheus)
            )
        self._exposition = _Batch(
            exposition, ((signal.name, signal.exposition) for signal in signals if signal.exposition)
        )
        self._room = _Batch(room, ((signal.name, signal.onsale) for signal in signals if signal.onsale))
        # What a schedule needs of an onsale is what the crowd signal reads; how fast the crowd is to be served is not asked.
        self._scheduled = _Batch(
            room, ((name, OnsaleSignal(name=name, drain_within_s=1.0)) for name in onsales_needed(rule.spec))
        )

    async def read(self, replicas: Sequence[str], deadline_s: float) -> Mapping[str, Answer]:
        """Return an answer for each signal by name, within the deadline; what fails is missing, and nothing is raised."""
        reads = [batch.read(replicas, deadline_s) for batch in (self._exposition, self._room)]
        if self._prometheus is not None:
            reads.append(self._prometheus.read(replicas, deadline_s))
        answers: dict[str, Answer] = {}
        for some in await asyncio.gather(*reads):
            answers.update(some)
        return answers

    async def read_onsales(self, deadline_s: float) -> Mapping[str, OnsaleTimes]:
        """Return what is known of the onsales which schedules name and no signal reads; nothing is raised."""
        answers = await self._scheduled.read((), deadline_s)
        return {
            name: OnsaleTimes(answer.reading.opens_at_s, answer.reading.backlog, answer.reading.sessions)
            for name, answer in answers.items()
            if isinstance(answer.reading, Crowd)
        }

    async def foresee(self, deadline_s: float) -> Expected | Missing | None:
        """Return the latest forecast, or why there is none; None where the rule asks for none."""
        return None if self._forecaster is None else await self._forecaster.foresee(deadline_s)

    def follow_clock(self, by_s: float) -> None:
        """Take note that the system clock was corrected by so many seconds."""
        if self._forecaster is not None:
            self._forecaster.follow_clock(by_s)

    def remember(self, observation: Observation, decision: Decision, now_s: float) -> None:
        """Add what the signal that is forecast was compared by in this round, if it could be read."""
        if self._forecaster is None:
            return
        signal = self._spec.signal(self._forecaster.signal)
        value = next((one.value for one in decision.recommendations if one.signal == signal.name), None)
        if value is not None and not isinstance(read(signal, observation, now_s), Missing):
            self._forecaster.see(value, now_s)


class _Batch(Generic[QueryT]):
    """The queries to one source, and the signals which each of them is for."""

    def __init__(self, source: Source[QueryT], named: Iterable[tuple[str, QueryT]]) -> None:
        self._source = source
        self._queries: list[QueryT] = []
        self._index: dict[str, int] = {}
        for name, query in named:
            if query not in self._queries:
                self._queries.append(query)
            self._index[name] = self._queries.index(query)

    async def read(self, replicas: Sequence[str], deadline_s: float) -> Mapping[str, Answer]:
        if not self._queries:
            return {}
        try:
            async with asyncio.timeout(deadline_s):
                answers = await self._source.read(self._queries, replicas, deadline_s * _SHARE_OF_SOURCES)
        except TimeoutError:
            return self._all_missing(f"no answer within {deadline_s:g} s")
        except Exception as error:  # a source's own mistake must not take the other signals with it
            return self._all_missing(f"{type(error).__name__}: {brief(error)}")
        return {name: answers[index] for name, index in self._index.items()}

    def _all_missing(self, reason: str) -> Mapping[str, Answer]:
        return dict.fromkeys(self._index, Answer(Missing(reason)))
