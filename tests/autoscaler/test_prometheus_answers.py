"""What answers mean which no quiet Prometheus gives: warnings, partial data, native histograms, nonsense."""

from typing import Any

import pytest

from autoscaler.prometheus.answers import Number, Series, read_number, read_series
from rulebook.observation import Missing

MALFORMED = "not the answer of a Prometheus: JSON, but without the fields of one"


def vector(*series: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(series)}, **top}


def one(value: object = "7") -> dict[str, Any]:
    return {"metric": {"pod": "a"}, "value": [1700000000.5, value]}


def test_a_number_carries_the_servers_time() -> None:
    assert read_number(vector(one())) == Number(7.0, 1700000000.5)


@pytest.mark.parametrize(
    ("top", "note"),
    [
        ({"warnings": ["PromQL warning: quantile value should be between 0 and 1"]},
         "PromQL warning: quantile value should be between 0 and 1"),
        ({"infos": ["PromQL info: metric might not be a counter"]}, "PromQL info: metric might not be a counter"),
        ({"warnings": ["PromQL warning: a"], "infos": ["PromQL info: b"]}, "PromQL warning: a; PromQL info: b"),
        ({"warnings": None, "infos": []}, ""),
    ],
)  # fmt: skip
def test_remarks_on_a_query_become_the_note(top: dict[str, Any], note: str) -> None:
    assert read_number(vector(one(), **top)) == Number(7.0, 1700000000.5, note)


@pytest.mark.parametrize(
    ("top", "why"),
    [
        ({"warnings": ["receive series from store-1: deadline exceeded"]},
         "receive series from store-1: deadline exceeded"),
        ({"isPartial": True}, "not all stores answered"),
    ],
)  # fmt: skip
def test_a_part_of_the_data_is_no_data(top: dict[str, Any], why: str) -> None:
    assert read_number(vector(one(), **top)) == Missing(f"partial data: {why}")
    matrix = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"]]}]}
    assert read_series({"data": matrix, **top}) == Missing(f"partial data: {why}")


def test_a_native_histogram_is_no_number() -> None:
    histogram = {"metric": {}, "histogram": [1700000000, {"count": "3", "sum": "9", "buckets": []}]}
    why = "a native histogram, where a number is needed: ask for histogram_quantile() or histogram_count()"
    assert read_number(vector(histogram)) == Missing(why)


def test_series_which_differ_in_many_labels_name_a_few() -> None:
    series = [{"metric": {f"l{n}": str(k) for n in range(9)}, "value": [1, "1"]} for k in range(3)]
    reading = read_number(vector(*series))
    assert isinstance(reading, Missing)
    assert reading.reason.startswith(
        "3 series, where one number is needed; they differ in l0, l1, l2, l3, l4, ...: "
    )


@pytest.mark.parametrize(
    "payload",
    [
        {"status": "success"},
        {"data": None},
        {"data": {"resultType": "vector", "result": [5]}},
        {"data": {"resultType": "vector", "result": {}}, "status": "success"},
        vector({"metric": {}, "value": ["now", "1"]}),
        vector({"metric": {}, "value": [1]}),
        vector(one("seven")),
        vector(one(None)),
        {"data": {"resultType": "scalar", "result": None}},
    ],
)  # fmt: skip
def test_nonsense_is_missing_and_breaks_nothing(payload: dict[str, Any]) -> None:
    reading = read_number(payload)
    assert isinstance(reading, Missing)
    assert reading.reason == MALFORMED or reading.reason.startswith("empty")
    assert isinstance(read_series(payload), Missing)


def test_a_range_comes_in_order_without_its_gaps() -> None:
    values = [[3, "30"], [1, "10"], [2, "NaN"], [4, "+Inf"]]
    payload = {"data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}
    assert read_series(payload) == Series(((1.0, 10.0), (3.0, 30.0)))
    payload["data"]["result"] = []
    assert isinstance(read_series(payload), Missing)
