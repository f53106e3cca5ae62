"""What buyers would have felt in each course of a backtest: the recorded requests put through the model of the service."""

from __future__ import annotations

from rulebook.observation import Value
from rulebook.simulation.arrivals import MAX_RATE_PER_S, Segment, Trace
from rulebook.simulation.backtest import Backtest, Course
from rulebook.simulation.comparison import Contender
from rulebook.simulation.errors import SimulationError
from rulebook.simulation.meters import STEP_S
from rulebook.simulation.pilots import PlanPilot
from rulebook.simulation.replay import Run, replay
from rulebook.simulation.scores import demand, score
from rulebook.simulation.service import Service


def model_courses(result: Backtest, signal: str, service: Service) -> tuple[Contender, ...]:
    """Run each course against the requests that a signal recorded (an amount per second for the whole), and score it.

    The demand is the model's here: the fewest replicas which keep the objective. A gap in the requests is filled with what
    was before it.

    Raises:
        SimulationError: the signal is none of the rule's, or records no requests; the service cannot be modelled.
    """
    trace = _trace(result, signal)
    needed = demand(trace, service)
    runs = {course.name: _run(course, trace, service, result) for course in result.courses}
    baseline = runs["baseline"]
    return tuple(
        Contender(
            course.name, course.about, runs[course.name], score(trace, needed, runs[course.name], baseline)
        )
        for course in result.courses
    )


def _run(course: Course, trace: Trace, service: Service, result: Backtest) -> Run:
    seconds = int(result.recorded.step_s) // STEP_S
    plan = [count for count in course.replicas for _ in range(seconds)]
    return replay(trace, service, PlanPilot(plan), course.replicas[0])


def _trace(result: Backtest, signal: str) -> Trace:
    readings = result.recorded.readings.get(signal)
    if readings is None:
        raise SimulationError(f"rule {result.rule.name} has no signal {signal}")
    rates, rate = [], 0.0
    for reading in readings:
        if isinstance(reading, Value):
            rate = min(max(reading.value, 0.0), MAX_RATE_PER_S)
        rates.append(rate)
    if not any(rates):
        raise SimulationError(f"signal {signal}: records no requests")
    step_s = int(result.recorded.step_s)
    return Trace(signal, tuple(Segment(step_s, each) for each in rates))
