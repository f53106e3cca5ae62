"""The queueing model: what it says where theory gives the exact answer, and where the approximation is good enough."""

from __future__ import annotations

import math

import pytest

from rulebook.simulation import Service, ServiceError

SERVICE = Service(rate_per_s=50, startup_s=30, service_time_s=0.02, slo_s=0.5)


def erlang_c(servers: int, offered: float) -> float:
    """Give the exact share that waits in M/M/c, by the stable recursion over Erlang B."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def test_one_server_is_exactly_mm1() -> None:
    response = SERVICE.response(1, 40)
    assert response.waiting == pytest.approx(0.8)
    assert response.tail(0.3) == pytest.approx(math.exp(-10 * 0.3))
    assert response.quantile(0.95) == pytest.approx(-math.log(0.05) / 10)
    assert response.line == pytest.approx(0.8 * 0.8 / 0.2)


@pytest.mark.parametrize("replicas", [2, 5, 20, 80])
@pytest.mark.parametrize("utilisation", [0.6, 0.8, 0.95])
def test_the_share_that_waits_is_near_erlangs(replicas: int, utilisation: float) -> None:
    approximate = SERVICE.response(replicas, utilisation * replicas * 50).waiting
    assert approximate == pytest.approx(erlang_c(replicas, utilisation * replicas), abs=0.07)


def test_nothing_waits_where_nothing_comes() -> None:
    response = SERVICE.response(3, 0)
    assert (response.waiting, response.line) == (0, 0)
    assert response.tail(0.02) == pytest.approx(math.exp(-1))


def test_beyond_capacity_the_steady_state_stays_finite() -> None:
    assert SERVICE.response(2, 1000).quantile(0.99) < 10


@pytest.mark.parametrize("rate", [0.5, 10, 49, 51, 333, 5000])
def test_demand_is_the_fewest_replicas_that_keep_the_objective(rate: float) -> None:
    needed = SERVICE.needed(rate)
    assert SERVICE.response(needed, rate).tail(0.5) <= 0.05
    assert (
        needed == 1 or needed * 50 * 0.98 < rate + 50 or SERVICE.response(needed - 1, rate).tail(0.5) > 0.05
    )


def test_no_arrivals_are_no_demand() -> None:
    assert SERVICE.needed(0) == 0


def test_several_workers_keep_a_replicas_rate() -> None:
    service = Service(rate_per_s=50, startup_s=0, service_time_s=0.1, slo_s=1)
    assert service.workers == 5
    assert service.workers * service.finish_per_s == pytest.approx(50)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"service_time_s": 0.4, "rate_per_s": 2.5}, "served alone they take"),
        ({"rate_per_s": 0}, "the service rate must be above 0"),
        ({"startup_s": -1}, "the start-up time must be from 0s to 24h"),
        ({"slo_s": math.nan}, r"the objective \(slo\) must be above 0"),
    ],
)
def test_a_service_that_cannot_be_is_refused(figures: dict[str, float], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        Service(**{"rate_per_s": 50, "startup_s": 30, "service_time_s": 0.02, "slo_s": 0.5, **figures})
