"""What could be measured of the simulated service, second by second, and as what a signal's source would tell it."""

from __future__ import annotations

from typing import Final

from rulebook.simulation.service import Response

STEP_S: Final = 1
"""The simulation's step, in seconds."""


class Meters:
    """The record of a run so far; appended to by the replay, read by whoever decides.

    Windows look back from now and are cut at the beginning of the trace. A value is None where nothing was there
    to be measured.
    """

    def __init__(self) -> None:
        """Start with an empty record."""
        self.arrivals_per_s: list[float] = []
        self.ready: list[int] = []
        self.ordered: list[int] = []
        self.backlog: list[float] = []
        self.delay_s: list[float] = []
        self.responses: list[Response | None] = []
        self._arrived: list[float] = [0.0]
        self._busy_share: list[float] = [0.0]

    def record(
        self,
        arrivals_per_s: float,
        ordered: int,
        ready: int,
        response: Response | None,
        backlog: float,
        delay_s: float,
    ) -> None:
        """Add one second; `backlog` as it is at its end, `delay_s` what it added to the times of those who came in it."""
        self.arrivals_per_s.append(arrivals_per_s)
        self.ordered.append(ordered)
        self.ready.append(ready)
        self.backlog.append(backlog)
        self.delay_s.append(delay_s)
        self.responses.append(response)
        self._arrived.append(self._arrived[-1] + arrivals_per_s)
        share = 0.0 if response is None else 1.0 if backlog > 0 else min(response.utilisation, 1.0)
        self._busy_share.append(self._busy_share[-1] + share)

    def requests_per_s(self, window_s: float) -> float | None:
        """Arrivals per second over the window: requests as they reach the service, not as they leave it."""
        return _mean(self._arrived, window_s)

    def utilisation(self, window_s: float) -> float | None:
        """The share of the ready replicas' time that was spent serving, over the window; at most 1, like a CPU's."""
        if not self.ready or self.ready[-1] == 0:
            return None
        return _mean(self._busy_share, window_s)

    def latency_s(self, quantile: float, window_s: float) -> float | None:
        """The quantile of each second's response times, averaged over the window's requests."""
        weighted = weight = 0.0
        for second in range(
            max(len(self.responses) - max(round(window_s / STEP_S), 1), 0), len(self.responses)
        ):
            response, rate = self.responses[second], self.arrivals_per_s[second]
            if response is not None and rate > 0:
                weighted += rate * (response.quantile(quantile) + self.delay_s[second])
                weight += rate
        return weighted / weight if weight > 0 else None

    def waiting(self) -> float | None:
        """Requests that wait for a worker now."""
        if not self.backlog:
            return None
        response = self.responses[-1]
        return self.backlog[-1] + (0.0 if response is None else response.line)

    def inflight(self) -> float | None:
        """Requests that wait or are served now."""
        waiting = self.waiting()
        if waiting is None:
            return None
        response = self.responses[-1]
        return waiting + (0.0 if response is None else response.busy)


def _mean(sums: list[float], window_s: float) -> float | None:
    steps = min(max(round(window_s / STEP_S), 1), len(sums) - 1)
    return (sums[-1] - sums[-1 - steps]) / (steps * STEP_S) if steps else None
