"""Counters over a window: restarts, newcomers and leavers never make a rate negative or huge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sources.windows import History, Sample, extend, increases, rate_per_s, summed_increases

ONE = (("path", "/"),)
TWO = (("path", "/cart"),)


def history(*samples: tuple[float, float]) -> History:
    return tuple(Sample(at_s, {ONE: value}) for at_s, value in samples)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([(0, 100)], 0, id="one sample tells nothing"),
        pytest.param([(0, 100), (10, 150)], 50, id="a plain rise"),
        pytest.param([(0, 100), (10, 150), (20, 150)], 50, id="then nothing more"),
        pytest.param([(0, 100), (10, 30)], 30, id="a restart: what it counts now came since"),
        pytest.param([(0, 100), (10, 150), (20, 10), (30, 40)], 90, id="a restart in between"),
        pytest.param([(0, 100), (10, 0)], 0, id="a restart with nothing since"),
    ],
)
def test_a_counter_rises_by_what_happened(samples: list[tuple[float, float]], expected: float) -> None:
    assert increases(history(*samples))[ONE] == expected


def test_a_series_that_appears_on_a_known_replica_began_at_zero() -> None:
    samples = (Sample(0, {}), Sample(10, {ONE: 7}), Sample(20, {ONE: 9, TWO: 2}))
    assert increases(samples) == {ONE: 9, TWO: 2}


def test_a_series_that_vanishes_for_a_while_is_compared_with_its_last_value() -> None:
    assert increases((Sample(0, {ONE: 1000}), Sample(10, {}), Sample(20, {ONE: 1005}))) == {ONE: 5}


def test_replicas_add_up_each_over_its_own_time() -> None:
    long, short = history((0, 0), (30, 300)), history((20, 5), (30, 55))
    assert rate_per_s([long, short]) == pytest.approx(10 + 5)


def test_a_newcomer_counts_from_its_second_sample() -> None:
    veteran = history((0, 0), (30, 300))
    newcomer = history((30, 1_000_000))
    assert rate_per_s([veteran, newcomer]) == pytest.approx(10)
    assert rate_per_s([veteran, extend(newcomer, Sample(40, {ONE: 1_000_050}), 30)]) == pytest.approx(15)


def test_a_leaver_takes_only_its_own_rate_along() -> None:
    staying, leaving = history((0, 0), (30, 300)), history((0, 9_000_000), (30, 9_000_600))
    assert rate_per_s([staying, leaving]) == pytest.approx(30)
    assert rate_per_s([staying]) == pytest.approx(10)


def test_without_two_samples_of_anybody_there_is_no_rate() -> None:
    assert rate_per_s([]) is None
    assert rate_per_s([history((0, 5)), ()]) is None


def test_buckets_add_up_by_bound_whatever_their_other_labels() -> None:
    def buckets(at_s: float, *counts: float) -> Sample:
        labels = [(("le", bound), ("path", path)) for path in ("/", "/cart") for bound in ("0.1", "+Inf")]
        return Sample(at_s, dict(zip(labels, counts, strict=True)))

    one = (buckets(0, 0, 0, 10, 10), buckets(10, 5, 8, 11, 12))
    other = (buckets(0, 100, 100, 100, 100), buckets(10, 100, 101, 100, 100))
    assert summed_increases([one, other], "le") == {"0.1": 6, "+Inf": 11}


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        pytest.param([0, 15, 30], [0, 15, 30], id="a window full"),
        pytest.param([0, 15, 30, 45], [15, 30, 45], id="what is before the window goes"),
        pytest.param([0, 15, 31], [0, 15, 31], id="the newest one before its start stays"),
        pytest.param([0, 15, 30, 44.2], [15, 30, 44.2], id="a sample that came a little early does"),
        pytest.param([0, 100], [0, 100], id="after a gap there still are two"),
    ],
)
def test_a_history_reaches_back_to_the_windows_start(times: list[float], kept: list[float]) -> None:
    samples: History = ()
    for at_s in times:
        samples = extend(samples, Sample(at_s, {}), over_s=30)
    assert [sample.at_s for sample in samples] == kept


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=20))
def test_no_run_of_values_makes_a_rate_negative_or_more_than_was_counted(values: list[float]) -> None:
    rise = increases(history(*enumerate(values)))[ONE]
    assert 0 <= rise <= sum(values)
