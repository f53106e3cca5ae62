"""The metrics of a shop's own gate, for the shop's own Prometheus registry; the shop need not have one to use the gate."""

from __future__ import annotations

from waitingroom.gate.metrics import GateCollector, GateFigures
from waitingroom.middleware.offline import OfflineGate


def middleware_collector(gate: OfflineGate) -> GateCollector:
    """Return the collector of a shop's own gate, to be registered with the shop's registry."""
    link = gate.link
    return GateCollector(
        GateFigures(
            counts={"middleware": gate.counts},
            renewals=lambda: link.renewed if link is not None else 0,
            feed_connected=lambda: link is not None and link.connected,
        )
    )
