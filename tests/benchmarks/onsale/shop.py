"""The model shop: replicas with so many workers each, one line before all of them, and service times drawn at random.

Requests are served in the order in which they come, by whichever ready replica has a free worker (an ideal load balancer, for
every contender). Latency grows with utilisation because the line does. A replica becomes ready some time after it was ordered;
one that dies takes the requests which it is serving with it, and its successor is started at once. Nobody gives up: a failed
request counts against the objective and is sent again. That is kind to whoever overloads the shop.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class ShopTerms:
    """What the shop is; times in seconds. `slowdown` multiplies every service time."""

    workers: int = 4
    mean_service_s: float = 0.25
    spread: float = 0.5
    startup_s: float = 30.0
    slo_s: float = 2.0
    least: int = 4
    most: int = 20
    slowdown: float = 1.0


@dataclass(slots=True)
class Replica:
    """One replica; `serving` are the requests which its workers are at."""

    ready_s: float
    alive: bool = True
    leaving: bool = False
    serving: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Request:
    begun_s: float
    begun: Callable[[float], None]
    done: Callable[[float], None]


class Shop:
    """The shop at work, in virtual time. `advance` lets everything happen up to a moment."""

    def __init__(self, terms: ShopTerms, seed: int, begins_s: float) -> None:
        self.terms = terms
        self.requests = 0
        self.violations = 0
        self.replica_seconds = 0.0
        self.now_s = begins_s
        self.replicas = [Replica(begins_s) for _ in range(terms.least)]
        self.latencies: deque[tuple[float, float]] = deque()
        self._dice = random.Random(seed)
        self._mu = math.log(terms.mean_service_s * terms.slowdown) - terms.spread**2 / 2.0
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._line: deque[_Request] = deque()
        self._requests: dict[int, tuple[_Request, Replica]] = {}
        self._accounted_s = begins_s
        self._some_leave = False

    @property
    def ordered(self) -> int:
        """Replicas wanted, ready or not."""
        return sum(1 for replica in self.replicas if not replica.leaving)

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return sum(1 for replica in self.replicas if not replica.leaving and replica.ready_s <= self.now_s)

    @property
    def in_flight(self) -> int:
        """Requests being served or waiting for it."""
        return len(self._requests) + len(self._line)

    @property
    def busy(self) -> float:
        """The share of the ready replicas' workers that are at work."""
        return len(self._requests) / max(1, self.ready * self.terms.workers)

    def at(self, moment_s: float, do: Callable[[float], None]) -> None:
        """Have something done at a moment."""
        self._count += 1
        heapq.heappush(self._events, (moment_s, self._count, do))

    def request(self, now_s: float, begun: Callable[[float], None], done: Callable[[float], None]) -> None:
        """Send a request; `begun` is called when a worker takes it up, `done` when it is answered."""
        self._line.append(_Request(now_s, begun, done))
        self._dispatch(now_s)

    def advance(self, until_s: float) -> None:
        """Let everything happen up to `until_s`."""
        while self._events and self._events[0][0] <= until_s:
            moment_s, _, do = heapq.heappop(self._events)
            self._account(moment_s)
            do(moment_s)
        self._account(until_s)

    def scale(self, wanted: int, now_s: float) -> None:
        """Order replicas, or let the youngest go once they have answered what they are at."""
        for _ in range(wanted - self.ordered):
            self._start(now_s)
        staying = [replica for replica in self.replicas if not replica.leaving]
        staying.sort(key=lambda replica: replica.ready_s)
        for replica in staying[max(wanted, 0) :]:
            replica.leaving = self._some_leave = True
        self._account(now_s)

    def kill(self, now_s: float) -> None:
        """One ready replica dies, with what it serves; another is started in its place."""
        victim = next(
            replica for replica in self.replicas if not replica.leaving and replica.ready_s <= now_s
        )
        victim.alive, victim.leaving, self._some_leave = False, True, True
        for number in list(victim.serving):
            request, _ = self._requests.pop(number)
            victim.serving.discard(number)
            self.violations += 1
            self.requests += 1
            self.at(
                now_s + RETRY_S, lambda moment, again=request: self.request(moment, again.begun, again.done)
            )
        self._start(now_s)

    def percentile(self, quantile: float, window_s: float) -> float | None:
        """Return a quantile of the latencies of the last seconds; None without requests."""
        while self.latencies and self.latencies[0][0] < self.now_s - window_s:
            self.latencies.popleft()
        if not self.latencies:
            return None
        values = sorted(latency for _, latency in self.latencies)
        return values[min(len(values) - 1, int(quantile * len(values)))]

    def _start(self, now_s: float) -> None:
        replica = Replica(now_s + self.terms.startup_s)
        self.replicas.append(replica)
        self.at(replica.ready_s, self._dispatch)

    def _dispatch(self, now_s: float) -> None:
        """Give waiting requests to free workers, the emptiest replica first."""
        self.now_s = now_s
        while self._line:
            emptiest, least = None, self.terms.workers
            for replica in self.replicas:
                busy = len(replica.serving)
                if busy < least and not replica.leaving and replica.ready_s <= now_s:
                    emptiest, least = replica, busy
            if emptiest is None:
                return
            self._serve(self._line.popleft(), emptiest, now_s)

    def _serve(self, request: _Request, replica: Replica, now_s: float) -> None:
        self._count += 1
        number = self._count
        replica.serving.add(number)
        self._requests[number] = request, replica
        request.begun(now_s)
        self.at(
            now_s + self._dice.lognormvariate(self._mu, self.terms.spread),
            lambda moment: self._finish(number, moment),
        )

    def _finish(self, number: int, now_s: float) -> None:
        found = self._requests.pop(number, None)
        if found is None:
            return  # its replica has died
        request, replica = found
        replica.serving.discard(number)
        latency_s = now_s - request.begun_s
        self.requests += 1
        self.violations += latency_s > self.terms.slo_s
        self.latencies.append((now_s, latency_s))
        self.now_s = now_s
        if self._line and not replica.leaving:
            # Where there is a line nobody else is free.
            self._serve(self._line.popleft(), replica, now_s)
        request.done(now_s)

    def _account(self, now_s: float) -> None:
        """Count replica-seconds: each from its order until it has answered its last request."""
        self.now_s = now_s
        if self._some_leave:
            self.replicas = [replica for replica in self.replicas if not replica.leaving or replica.serving]
            self._some_leave = any(replica.leaving for replica in self.replicas)
        self.replica_seconds += len(self.replicas) * (now_s - self._accounted_s)
        self._accounted_s = now_s
