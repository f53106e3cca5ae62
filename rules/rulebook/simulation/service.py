"""The model of the service: what a request waits and takes, given the replicas and the arrivals.

Steady state is M/M/c: a replica is `workers` servers in parallel, each with exponential service times, together
`rate_per_s` requests per second; all replicas take from one line, as behind a good load balancer. The share of requests that
have to wait is Sakasegawa's approximation of Erlang C, rho^(sqrt(2(c+1)) - 1): exact for c = 1, a few hundredths too
high beyond, and without a sum over c. Each second is taken as stationary at its own rate (the pointwise stationary
approximation), with the utilisation held at most at `MAX_UTILISATION`: beyond that a queue grows rather than settles, and
the backlog tells the story, as a fluid: it grows by arrivals less capacity, and adds backlog / capacity to every request's
time. Nobody gives up and nothing is dropped. Scrapes, images to pull, caches to warm and noisy neighbours are not in the
model; whatever makes a new replica late belongs in `startup_s`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from rulebook.simulation.errors import ServiceError
from rulebook.units import format_duration, format_number

MAX_UTILISATION: Final = 0.98
MAX_NEEDED: Final = 10_000_000
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Response:
    """The response time at one number of replicas and one rate: with probability `waiting` a wait, then the service.

    Waits are exponential with `drain_per_s`, service times with `finish_per_s`; `utilisation` is before it is held.
    """

    capacity_per_s: float
    utilisation: float
    busy: float
    waiting: float
    drain_per_s: float
    finish_per_s: float
    _quantiles: dict[float, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def line(self) -> float:
        """How many requests wait on average, apart from any backlog."""
        held = min(self.utilisation, MAX_UTILISATION)
        return self.waiting * held / (1.0 - held)

    def tail(self, seconds: float) -> float:
        """Give the share of requests that take longer than this."""
        if seconds <= 0:
            return 1.0
        mu, theta = self.finish_per_s, self.drain_per_s
        served = math.exp(-mu * seconds)
        if abs(theta - mu) < 1e-6 * mu:
            delayed = served * (1.0 + mu * seconds)
        else:
            delayed = (theta * served - mu * math.exp(-theta * seconds)) / (theta - mu)
        return min(max((1.0 - self.waiting) * served + self.waiting * delayed, 0.0), 1.0)

    def quantile(self, quantile: float) -> float:
        """Give the time within which this share of the requests is answered."""
        known = self._quantiles.get(quantile)
        if known is None:
            low, high = 0.0, 1.0 / self.finish_per_s
            while self.tail(high) > 1.0 - quantile:
                low, high = high, 2.0 * high
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2.0
                low, high = (middle, high) if self.tail(middle) > 1.0 - quantile else (low, middle)
            known = self._quantiles[quantile] = high
        return known


@dataclass(frozen=True, slots=True)
class Service:
    """One replica serves `rate_per_s`, a request takes `service_time_s` there, a new replica is ready after `startup_s`.

    The objective: at most a share of 1 - `quantile` of the requests takes longer than `slo_s`.
    """

    rate_per_s: float
    startup_s: float
    service_time_s: float
    slo_s: float
    quantile: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what no number of replicas could serve.

        Raises:
            ServiceError: a figure is not positive, or a request takes too long even alone.
        """
        for name, value in (
            ("the service rate", self.rate_per_s),
            ("the service time", self.service_time_s),
            ("the objective (slo)", self.slo_s),
        ):
            if not math.isfinite(value) or value <= 0:
                raise ServiceError(f"{name} must be above 0, found {value:g}")
        if not 0 <= self.startup_s <= 86400:
            raise ServiceError(f"the start-up time must be from 0s to 24h, found {self.startup_s:g}s")
        alone = Response(self.rate_per_s, 0.0, 0.0, 0.0, 1.0, self.finish_per_s)
        if alone.tail(self.slo_s) > 1.0 - self.quantile:
            percent = format_number(round(100 * self.quantile, 6))
            raise ServiceError(
                f"{percent} % of the requests within {format_duration(self.slo_s)} cannot be kept: "
                f"served alone they take {alone.quantile(self.quantile):.3g} s "
                f"(a mean service time of {1 / self.finish_per_s:.3g} s): raise the objective, or give a shorter service time"
            )

    @property
    def workers(self) -> int:
        """How many requests a replica serves in parallel."""
        return max(1, round(self.rate_per_s * self.service_time_s))

    @property
    def finish_per_s(self) -> float:
        """Requests per second of one worker: what makes all of a replica's come to its rate exactly."""
        return self.rate_per_s / self.workers

    def response(self, replicas: int, arrivals_per_s: float) -> Response:
        """Give the steady state; with 0 replicas there is none, and nobody may ask."""
        capacity = replicas * self.rate_per_s
        utilisation = arrivals_per_s / capacity
        held = min(utilisation, MAX_UTILISATION)
        servers = replicas * self.workers
        waiting = held ** (math.sqrt(2.0 * (servers + 1)) - 1.0) if held > 0 else 0.0
        return Response(
            capacity_per_s=capacity,
            utilisation=utilisation,
            busy=min(arrivals_per_s, capacity) / self.finish_per_s,
            waiting=waiting,
            drain_per_s=capacity * (1.0 - held),
            finish_per_s=self.finish_per_s,
        )

    def needed(self, arrivals_per_s: float) -> int:
        """Give the fewest replicas that keep the objective at this rate, without a backlog; 0 where nothing arrives.

        Raises:
            ServiceError: it would take millions.
        """
        return _needed(self, arrivals_per_s)


@lru_cache(maxsize=65536)
def _needed(service: Service, arrivals_per_s: float) -> int:
    if arrivals_per_s <= 0:
        return 0
    low = math.ceil(arrivals_per_s / (service.rate_per_s * MAX_UTILISATION))
    if low > MAX_NEEDED:
        raise ServiceError(
            f"{arrivals_per_s:g} requests/s at {service.rate_per_s:g}/s a replica take more than {MAX_NEEDED} replicas"
        )

    def keeps(replicas: int) -> bool:
        tail = service.response(replicas, arrivals_per_s).tail(service.slo_s)
        return tail <= 1.0 - service.quantile

    high = low
    while not keeps(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle + 1, high)
    return low
