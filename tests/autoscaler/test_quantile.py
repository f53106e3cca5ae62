"""Quantiles agree with Prometheus' `histogram_quantile`."""

import math

import pytest

from autoscaler.sources.quantile import histogram_quantile

INF = math.inf


@pytest.mark.parametrize(
    ("quantile", "buckets", "expected"),
    [
        pytest.param(0.5, {0.1: 0, 0.2: 10, INF: 10}, 0.15, id="halfway through the bucket that holds it"),
        pytest.param(0.9, {0.1: 0, 0.2: 10, INF: 10}, 0.19, id="nine tenths through the bucket"),
        pytest.param(0.5, {0.1: 10, 0.2: 10, INF: 10}, 0.05, id="the lowest bucket begins at zero"),
        pytest.param(0.95, {0.1: 50, 0.5: 90, 1.0: 100, INF: 100}, 0.75, id="in the third bucket"),
        pytest.param(0.5, {0.1: 50, 0.5: 90, 1.0: 100, INF: 100}, 0.1, id="exactly on a bound"),
        pytest.param(
            0.99, {0.1: 50, 1.0: 90, INF: 100}, 1.0, id="beyond the highest finite bound it is that bound"
        ),
        pytest.param(
            0.5, {-2.0: 10, 1.0: 10, INF: 10}, -2.0, id="a lowest bound that is not positive is the answer"
        ),
        pytest.param(0.5, {0.1: 10, 0.2: 9.5, INF: 20}, 0.1, id="a count that falls is lifted"),
        pytest.param(1.5, {0.1: 1, INF: 1}, INF, id="above one"),
        pytest.param(-0.5, {0.1: 1, INF: 1}, -INF, id="below zero"),
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(
    quantile: float, buckets: dict[float, float], expected: float
) -> None:
    assert histogram_quantile(quantile, buckets) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("quantile", "buckets"),
    [
        pytest.param(0.5, {}, id="no buckets"),
        pytest.param(0.5, {INF: 10}, id="only +Inf"),
        pytest.param(0.5, {0.1: 5, 0.2: 10}, id="no +Inf"),
        pytest.param(0.5, {0.1: 0, INF: 0}, id="no observations"),
        pytest.param(math.nan, {0.1: 5, INF: 10}, id="no quantile"),
        pytest.param(0.0, {0.1: 0, INF: 10}, id="rank zero of an empty lowest bucket"),
    ],
)
def test_without_anything_to_tell_it_by_a_quantile_is_nan(
    quantile: float, buckets: dict[float, float]
) -> None:
    assert math.isnan(histogram_quantile(quantile, buckets))
