"""The elasticity metrics, against sums done by hand."""

from __future__ import annotations

import pytest

from rulebook.simulation import Run, Segment, Service, Trace
from rulebook.simulation.meters import Meters
from rulebook.simulation.scores import mean_demand, score

SERVICE = Service(rate_per_s=50, startup_s=0, service_time_s=0.02, slo_s=0.5)


def supplied(*ready: int) -> Run:
    """A run of one second a value."""
    meters = Meters()
    for count in ready:
        meters.record(1.0, count, count, SERVICE.response(max(count, 1), 1.0), 0.0, 0.0)
    return Run(meters, 1.0, 0.25, 0)


def rows(seconds: int, *rates: float) -> Trace:
    """A trace of equal rows."""
    return Trace("t", tuple(Segment(seconds, rate) for rate in rates))


def test_accuracy_and_time_share_by_hand() -> None:
    trace = rows(1, 0, 0, 0, 0)
    scores = score(trace, [2, 4, 4, 2], supplied(2, 2, 3, 4), supplied(3, 3, 3, 3))
    assert scores.theta_u_percent == pytest.approx(100 * (2 / 4 + 1 / 4) / 4)
    assert scores.theta_o_percent == pytest.approx(100 * (2 / 2) / 4)
    assert (scores.tau_u_percent, scores.tau_o_percent) == (50, 25)
    assert scores.slo_violation_percent == 25


def test_a_demand_of_zero_counts_as_one_in_the_divisor() -> None:
    scores = score(rows(1, 0, 0), [0, 0], supplied(3, 0), supplied(3, 3))
    assert scores.theta_o_percent == pytest.approx(100 * 3 / 1 / 2)
    assert (scores.tau_u_percent, scores.tau_o_percent) == (0, 50)


def test_instability_is_the_time_in_which_supply_and_demand_move_differently() -> None:
    scores = score(rows(1, 0, 0, 0, 0, 0), [1, 2, 2, 1, 1], supplied(1, 2, 3, 2, 2), supplied(1, 1, 1, 1, 1))
    assert scores.instability_percent == pytest.approx(25)


def test_speedup_is_the_geometric_mean_of_four_ratios() -> None:
    trace, needed = rows(1, 0, 0, 0, 0), [4, 4, 2, 2]
    run, baseline = supplied(3, 4, 3, 2), supplied(2, 2, 4, 4)
    scores = score(trace, needed, run, baseline)
    expected = ((50 / 2 / (25 / 4)) * ((200 / 4) / (50 / 4)) * (50 / 25) * (50 / 25)) ** 0.25
    assert scores.elastic_speedup == pytest.approx(expected)
    assert score(trace, needed, baseline, baseline).elastic_speedup == pytest.approx(1)


def test_a_perfect_run_has_a_finite_speedup() -> None:
    assert 1 < score(rows(1, 0, 0), [1, 3], supplied(1, 3), supplied(2, 2)).elastic_speedup < 1e5


def test_rows_weigh_by_how_long_they_last() -> None:
    trace = Trace("t", (Segment(3, 1), Segment(1, 1)))
    assert mean_demand(trace, [1, 5]) == 2
    scores = score(trace, [1, 5], supplied(1, 1, 1, 1), supplied(2, 2, 2, 2))
    assert scores.tau_u_percent == 25
