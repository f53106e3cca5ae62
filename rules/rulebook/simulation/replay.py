"""The replay of a trace against the service, a second at a time, while a pilot scales it. Knows neither rules nor scores.

A new replica counts as ordered at once and is ready `startup_s` later. Taking replicas away takes those that are still starting
first, the youngest before the others, as a ReplicaSet does; a ready one stops at once and its requests go elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from rulebook.simulation.arrivals import Trace
from rulebook.simulation.meters import STEP_S, Meters
from rulebook.simulation.pilots import Pilot
from rulebook.simulation.service import Response, Service


@dataclass(frozen=True, slots=True)
class Run:
    """What happened: the meters second by second, the share of all requests beyond the objective, changes made."""

    meters: Meters
    requests: float
    violating: float
    changes: int

    @property
    def violation_share(self) -> float:
        """The share of the requests that took longer than the objective allows."""
        return self.violating / self.requests if self.requests > 0 else 0.0

    @property
    def replica_hours(self) -> float:
        """Hours of replicas, from order to end: one that starts is paid for."""
        return sum(self.meters.ordered) * STEP_S / 3600.0


def replay(trace: Trace, service: Service, pilot: Pilot, replicas: int) -> Run:
    """Run a trace; `replicas` are there and ready when it begins."""
    meters = Meters()
    starting: list[tuple[int, int]] = []  # (ready at, how many), in order of time
    startup = ceil(service.startup_s / STEP_S)
    ordered = ready = replicas
    backlog = violating = due_s = 0.0
    changes = second = 0
    known: dict[int, tuple[Response, float]] = {}
    for segment in trace.segments:
        rate = segment.rate_per_s
        known.clear()
        for _ in range(segment.seconds):
            while starting and starting[0][0] <= second:
                ready += starting.pop(0)[1]
            if second >= due_s:
                due_s += pilot.interval_s * max(1, ceil((second + STEP_S - due_s) / pilot.interval_s))
                wanted = pilot.want(ordered, ready, meters, second)
                if wanted > ordered:
                    starting.append((second + startup, wanted - ordered))
                    if startup == 0:
                        ready += starting.pop()[1]
                elif wanted < ordered:
                    ready = take_away(starting, ready, ordered - wanted)
                changes += wanted != ordered
                ordered = wanted
            if ready == 0:
                violating += rate * STEP_S  # nobody can tell when a replica will be there
                backlog += rate * STEP_S
                meters.record(rate, ordered, 0, None, backlog, 0.0)
                second += STEP_S
                continue
            if ready not in known:
                response = service.response(ready, rate)
                known[ready] = (response, response.tail(service.slo_s))
            response, share = known[ready]
            delay_s = 0.0
            before = backlog
            if before > 0 or rate > response.capacity_per_s:
                backlog = max(before + (rate - response.capacity_per_s) * STEP_S, 0.0)
                delay_s = (before + backlog) / 2.0 / response.capacity_per_s
                share = response.tail(service.slo_s - delay_s)
            violating += rate * share * STEP_S
            meters.record(rate, ordered, ready, response, backlog, delay_s)
            second += STEP_S
    return Run(meters, trace.requests, violating, changes)


def take_away(starting: list[tuple[int, int]], ready: int, count: int) -> int:
    """Take replicas away, the youngest first; gives how many stay ready."""
    while count and starting:
        ready_at, youngest = starting.pop()
        if youngest > count:
            starting.append((ready_at, youngest - count))
        count -= min(count, youngest)
    return ready - count
