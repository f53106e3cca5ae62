"""Who decides in a simulation: a rule by the project's own `decide`, or a plan that knew the trace beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rulebook.decision import decide
from rulebook.memory import Memory
from rulebook.observation import Observation
from rulebook.rule import ScalingRule
from rulebook.simulation.arrivals import Trace
from rulebook.simulation.meaning import Mapping
from rulebook.simulation.meters import STEP_S, Meters
from rulebook.simulation.service import Service


class Pilot(Protocol):
    """Gives the number of replicas wanted, each `interval_s` (at most once a step)."""

    interval_s: float

    def want(self, current: int, ready: int, meters: Meters, elapsed_s: int) -> int:
        """Decide, by what was measured up to now."""
        ...


@dataclass(slots=True)
class RulePilot:
    """A rule: its signals read off the model, then `decide`, as in the loop. Every change succeeds at once."""

    rule: ScalingRule
    mappings: Sequence[Mapping]
    begins_at_s: float
    interval_s: float = field(init=False)
    _memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        """Take the interval from the rule."""
        self.interval_s = self.rule.spec.interval_s

    def want(self, current: int, ready: int, meters: Meters, elapsed_s: int) -> int:
        """Decide as the loop does."""
        now_s = self.begins_at_s + elapsed_s
        readings = {mapping.signal: mapping.read(meters, ready, now_s) for mapping in self.mappings}
        decision = decide(self.rule, Observation(current, ready, readings), self._memory, now_s)
        self._memory = decision.memory.after_scaling(current, decision.desired, now_s)
        return decision.desired


@dataclass(slots=True)
class PlanPilot:
    """A plan of replicas, second by second."""

    plan: Sequence[int]
    interval_s: float = STEP_S

    def want(self, current: int, ready: int, meters: Meters, elapsed_s: int) -> int:
        """Follow the plan."""
        del current, ready, meters
        return self.plan[elapsed_s]


def best_plan(trace: Trace, service: Service, bounds: tuple[int, int]) -> list[int]:
    """Plan with the trace known: what is needed at each second, ordered so early that it is ready by then.

    A replica that is not needed for less than a start-up is kept: stopping and starting it again would cost as much.
    """
    least, most = bounds
    steps = max(int(-(-service.startup_s // STEP_S)), 0)
    needed = [
        min(max(service.needed(segment.rate_per_s), least), most)
        for segment in trace.segments
        for _ in range(segment.seconds)
    ]
    # The maximum over a window that looks ahead, by a queue of candidates which fall from front to back.
    plan = [0] * len(needed)
    candidates: list[int] = []
    front = 0
    ahead = 0
    for second in range(len(needed)):
        while ahead < len(needed) and ahead <= second + steps:
            while len(candidates) > front and needed[candidates[-1]] <= needed[ahead]:
                candidates.pop()
            candidates.append(ahead)
            ahead += 1
        while candidates[front] < second:
            front += 1
        plan[second] = needed[candidates[front]]
    return plan
