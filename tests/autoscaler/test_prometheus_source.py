"""What a query to a real Prometheus comes to: one number, or a reason why there is none."""

import time
from collections.abc import AsyncIterator

import pytest

from autoscaler.prometheus.shared import SharedQueries
from rulebook.observation import Missing, Value
from tests.autoscaler.prometheus_asking import ask, asking, number, reason
from tests.autoscaler.prometheus_server import Prometheus


@pytest.fixture
async def queries(prometheus: Prometheus) -> AsyncIterator[SharedQueries]:
    async with asking(prometheus.url) as queries:
        yield queries


@pytest.mark.parametrize(
    ("query", "value"),
    [
        pytest.param("vector(42.5)", 42.5, id="a vector of one"),
        pytest.param("6 * 7", 42.0, id="a scalar"),
        pytest.param("sum(vector(3) or vector(4))", 3.0, id="a sum"),
        pytest.param("absent_metric or vector(0)", 0.0, id="a zero that is asked for"),
        pytest.param("vector(-1)", -1.0, id="below zero"),
        pytest.param("sum(vector(1))" + " + 0" * 800, 1.0, id="a query too long for GET"),
    ],
)
async def test_one_number_is_a_value(queries: SharedQueries, query: str, value: float) -> None:
    before_s = time.time()
    answer = await ask(queries, query)
    assert (number(answer), answer.note) == (value, "")
    assert isinstance(answer.reading, Value)
    assert before_s <= answer.reading.at_s <= time.time()


TWO = 'label_replace(vector(1), "pod", "a", "", "") or label_replace(vector(2), "pod", "b", "", "")'


@pytest.mark.parametrize(
    ("query", "why"),
    [
        pytest.param(
            "absent_metric", "empty: no series matches, or none has a sample of late", id="no series"
        ),
        pytest.param(
            TWO,
            "2 series, where one number is needed; they differ in pod: put sum(), max() or avg() round the query",
            id="two series",
        ),
        pytest.param("vector(0) / 0", "NaN: nothing to divide by, or no observation in the window", id="NaN"),
        pytest.param("scalar(absent_metric)", "NaN: nothing to divide by, or no observation in the window",
                     id="the scalar of nothing"),
        pytest.param("vector(1) / 0", "+Inf, no finite number", id="+Inf"),
        pytest.param("-1 / 0", "-Inf, no finite number", id="-Inf"),
        pytest.param('"forty"', "a string, where a number is needed", id="a string"),
        pytest.param(
            "prometheus_build_info[5m]",
            "a range of values, where a number is needed: put rate() or max_over_time() round it",
            id="a range",
        ),
    ],
)  # fmt: skip
async def test_whatever_is_not_one_finite_number_is_missing_with_advice(
    queries: SharedQueries, query: str, why: str
) -> None:
    assert reason(await ask(queries, query)) == f"prometheus: {why}"


@pytest.mark.parametrize(
    ("query", "answered"),
    [
        ("absent_metric", True),
        ("vector(0) / 0", True),
        ("1 / 0", True),
        ("sum(rate(up))", False),
        (TWO, False),
    ],
)
async def test_having_nothing_to_tell_is_told_from_failing(
    queries: SharedQueries, query: str, answered: bool
) -> None:
    reading = (await ask(queries, query)).reading
    assert isinstance(reading, Missing)
    assert reading.answered is answered


async def test_a_query_with_a_mistake_is_missing_in_the_servers_own_words(queries: SharedQueries) -> None:
    why = reason(await ask(queries, "sum(rate(up))"))
    assert why.startswith("prometheus: HTTP 400, bad_data: ")
    assert "parse error" in why


@pytest.mark.parametrize("age_s", [0, 90])
async def test_the_age_of_a_number_is_told_by_its_freshness(queries: SharedQueries, age_s: int) -> None:
    before_s = time.time()
    answer = await ask(queries, "vector(5)", freshness=f"time() - {age_s}")
    assert isinstance(answer.reading, Value)
    assert before_s - 1 <= answer.reading.at_s + age_s <= time.time() + 1


@pytest.mark.parametrize(
    ("freshness", "why"),
    [
        ("absent_metric", "freshness: empty: no series matches, or none has a sample of late"),
        ("vector(3)", "freshness gives 3, no Unix time: write timestamp(...), not an age"),
        ("vector(1.8e12)", "freshness gives 1800000000000, a time to come: it must be in seconds"),
    ],
)
async def test_a_freshness_that_tells_no_time_makes_the_number_missing(
    queries: SharedQueries, freshness: str, why: str
) -> None:
    assert (await ask(queries, "vector(5)", freshness=freshness)).reading == Missing(f"prometheus: {why}")
