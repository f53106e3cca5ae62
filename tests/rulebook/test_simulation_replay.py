"""The replay: start-up, backlog, what is taken away first, and the objective's bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from rulebook.simulation import Segment, Service, Trace, replay
from rulebook.simulation.meters import Meters
from rulebook.simulation.pilots import PlanPilot, best_plan

SERVICE = Service(rate_per_s=50, startup_s=30, service_time_s=0.02, slo_s=0.5)


def trace(*segments: tuple[int, float]) -> Trace:
    """Build a trace from pairs of seconds and rate."""
    return Trace("t", tuple(Segment(seconds, rate) for seconds, rate in segments))


@dataclass
class Asked:
    """A pilot that notes when it was asked, and wants what its plan says from a time on."""

    interval_s: float
    plan: dict[int, int] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def want(self, current: int, ready: int, meters: Meters, elapsed_s: int) -> int:
        self.asked.append(elapsed_s)
        return self.plan.get(elapsed_s, current)


def test_a_replica_is_ready_after_the_start_up_and_paid_from_its_order() -> None:
    run = replay(trace((100, 10)), SERVICE, Asked(10, {20: 3}), 1)
    assert run.meters.ready == [1] * 50 + [3] * 50
    assert run.meters.ordered == [1] * 20 + [3] * 80
    assert run.replica_hours == pytest.approx((20 + 3 * 80) / 3600)


def test_without_start_up_it_is_ready_at_once() -> None:
    service = Service(rate_per_s=50, startup_s=0, service_time_s=0.02, slo_s=0.5)
    assert replay(trace((3, 10)), service, Asked(1, {1: 4}), 1).meters.ready == [1, 4, 4]


def test_those_that_start_are_taken_away_first_the_youngest_before_the_others() -> None:
    run = replay(trace((60, 10)), SERVICE, Asked(5, {0: 4, 5: 6, 10: 3}), 2)
    assert run.meters.ordered[4:12:5] == [4, 6]
    assert run.meters.ready[29:31] == [2, 3]
    assert run.meters.ready[-1] == 3


def test_the_pilot_is_asked_at_its_interval_and_at_most_once_a_second() -> None:
    pilot = Asked(15)
    replay(trace((40, 1)), SERVICE, pilot, 1)
    assert pilot.asked == [0, 15, 30]
    pilot = Asked(0.5)
    replay(trace((4, 1)), SERVICE, pilot, 1)
    assert pilot.asked == [0, 1, 2, 3]
    pilot = Asked(2.5)
    replay(trace((11, 1)), SERVICE, pilot, 1)
    assert pilot.asked == [0, 3, 5, 8, 10]


def test_a_backlog_grows_by_what_is_too_much_and_drains_by_what_is_spare() -> None:
    run = replay(trace((10, 80), (20, 30)), SERVICE, Asked(60), 1)
    assert run.meters.backlog[9] == pytest.approx(300)
    assert run.meters.backlog[19] == pytest.approx(100)
    assert run.meters.backlog[-1] == 0
    assert run.meters.delay_s[9] == pytest.approx(285 / 50)


def test_every_request_that_waits_longer_than_the_objective_counts() -> None:
    run = replay(trace((100, 100)), SERVICE, Asked(1000), 1)
    assert run.violation_share > 0.95
    assert replay(trace((100, 100)), SERVICE, Asked(1000), 4).violation_share < 1e-6


def test_with_no_replica_all_wait_and_all_are_late() -> None:
    run = replay(trace((10, 5)), SERVICE, Asked(1000), 0)
    assert (run.violating, run.meters.backlog[-1]) == (50, 50)
    assert run.meters.latency_s(0.95, 30) is None
    assert run.meters.utilisation(30) is None


def test_an_empty_trace_violates_nothing() -> None:
    assert replay(trace((10, 0)), SERVICE, Asked(1), 1).violation_share == 0


def test_the_best_plan_orders_ahead_and_keeps_what_is_needed_again_soon() -> None:
    step = trace((60, 10), (60, 120), (20, 10), (60, 120), (60, 10))
    plan = best_plan(step, SERVICE, (1, 10))
    assert plan.index(3) == 30
    assert plan[30:200] == [3] * 170
    assert plan[200:] == [1] * 60
    run = replay(step, SERVICE, PlanPilot(plan), 1)
    assert run.violation_share < 0.05


def test_the_best_plan_stays_within_bounds() -> None:
    assert set(best_plan(trace((60, 0), (60, 1000)), SERVICE, (2, 5))) == {2, 5}
