"""Passes each event on to all who want to hear of it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from autoscaler.instrumentation.events import Event, Instrument

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")


class Instruments:
    """Several instruments as one; some may come and go."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = tuple(instruments)

    def add(self, instrument: Instrument) -> None:
        """Have one more hear of everything from now on."""
        self._instruments = (*self._instruments, instrument)

    def remove(self, instrument: Instrument) -> None:
        """Tell one nothing more."""
        self._instruments = tuple(other for other in self._instruments if other is not instrument)

    def record(self, event: Event) -> None:
        """Pass an event to each. One that breaks its word and raises keeps neither the others nor the loop from going on."""
        for instrument in self._instruments:
            try:
                instrument.record(event)
            except Exception:
                _log.exception("instrument_failed", event_type=type(event).__name__)
