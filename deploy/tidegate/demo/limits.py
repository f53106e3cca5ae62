"""What one replica of the demo's shop can do, and what is expected of it: numbers alone.

The rate is checked by a test which simulates the replica's line (random arrivals, `SLOTS` servers, uniform service times).
"""

from __future__ import annotations

CHECKOUT_S = (0.4, 0.6)
"""How long a checkout takes once it has a slot, uniformly: five slots give 10/s at the very most."""

SLOTS = 5
"""Checkouts a replica runs at once."""

LINE_LIMIT = 50
"""Checkouts waiting in a replica's own line; beyond these it answers 503."""

STARTUP_S = 2.0
"""Seconds from a replica's start until it is ready."""

SLO_S = 1.5
"""The objective for checkouts: 95 % of them take no longer."""

HIGHEST_RATE_WITHIN_SLO = 8.0
"""Checkouts/s a replica can serve within the SLO; at 10/s its line would grow without end."""

HIGHEST_RATE_AT_HALF_SPEED = 3.0
"""The same for a replica whose checkouts take twice as long: less than half, as the objective stays what it is."""


def highest_rate_within_slo(slowdown: float) -> float:
    """Return the checkouts/s of a replica within the SLO when each takes `slowdown` times as long; 1 and 2 are known.

    Raises:
        KeyError: nobody has worked it out.
    """
    return {1.0: HIGHEST_RATE_WITHIN_SLO, 2.0: HIGHEST_RATE_AT_HALF_SPEED}[slowdown]
