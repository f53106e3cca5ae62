"""Opens what signals are read from, and puts a reader together for each rule."""

from __future__ import annotations

import aiohttp

from autoscaler.background import Background
from autoscaler.clock import Clock
from autoscaler.forecaster import Forecasters
from autoscaler.instrumentation.events import Instrument
from autoscaler.prometheus.client import PrometheusClient
from autoscaler.prometheus.shared import SharedQueries
from autoscaler.settings import ScalerSettings
from autoscaler.signals import SignalReader
from autoscaler.sources.exposition import ExpositionSource
from autoscaler.sources.prometheus import PrometheusSource
from autoscaler.sources.room import RoomSource
from rulebook.rule import ScalingRule


class Sources:
    """The sources of a scaler: what rules share, and how each gets what is its own."""

    def __init__(
        self,
        settings: ScalerSettings,
        *,
        http: aiohttp.ClientSession,
        room: RoomSource,
        clock: Clock,
        background: Background,
        instrument: Instrument,
    ) -> None:
        """Take what is needed; nothing is asked yet.

        Raises:
            ConfigurationError: a file with Prometheus' credentials cannot be used.
        """
        self._http = http
        self._room = room
        self._clock = clock
        self._queries: SharedQueries | None = None
        client: PrometheusClient | None = None
        if settings.prometheus is not None:
            client = PrometheusClient(settings.prometheus, http, clock)
            client.check()
            self._queries = SharedQueries(client, clock, background, instrument)
        self._forecasters = Forecasters(clock, background, client)

    def of(self, rule: ScalingRule, before: SignalReader | None = None) -> SignalReader:
        """Return a reader for a rule; where the rule has changed, one that goes on with the windows of the reader `before`."""
        queries = self._queries
        return SignalReader(
            rule,
            exposition=ExpositionSource(self._http, self._clock) if before is None else before.exposition,
            room=self._room,
            prometheus=None if queries is None else PrometheusSource(queries, rule.spec.interval_s),
            forecaster=self._forecasters.of(rule),
        )
