"""What signals measure in a simulation: inferred from a rule's own words, told, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from rulebook import Crowd, Missing, Value
from rulebook.simulation import Meaning, MeaningError, Service, map_signals
from rulebook.simulation.meters import Meters
from tests.rulebook.documents import rule

SERVICE = Service(rate_per_s=50, startup_s=30, service_time_s=0.02, slo_s=0.5)


def meaning_of(told: dict[str, Meaning] | None = None, **signal: Any) -> Any:
    """Map a rule's only signal."""
    signal = {"perReplica": 10, **signal}
    (mapping,) = map_signals(rule(signals=[signal]), told or {}, 30, 0.95)
    return mapping


@pytest.mark.parametrize(
    ("name", "source", "meaning"),
    [
        ("requests", {"prometheus": {"query": "whatever"}}, "requests"),
        ("httpRequests", {"prometheus": {"query": "whatever"}}, "requests"),
        ("p95", {"prometheus": {"query": "whatever"}}, "latency"),
        ("queue_depth", {"prometheus": {"query": "whatever"}}, "backlog"),
        ("cpu", {"prometheus": {"query": "whatever"}}, "utilization"),
        ("load", {"prometheus": {"query": "sum(rate(http_requests_total[1m]))"}}, "requests"),
        ("speed", {"prometheus": {"query": "histogram_quantile(0.9, x_bucket)"}}, "latency"),
        ("load", {"exposition": {"gauge": "shop_checkouts_in_progress"}}, "inflight"),
        ("load", {"exposition": {"counter": "shop_requests_total"}}, "requests"),
        ("speed", {"exposition": {"histogram": "checkout_seconds", "quantile": 0.5}}, "latency"),
    ],
)
def test_a_meaning_is_inferred_from_the_rules_own_words(
    name: str, source: dict[str, Any], meaning: str
) -> None:
    assert meaning_of(name=name, **source).meaning == meaning


def test_windows_and_quantiles_are_the_sources_own() -> None:
    query = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[2m])))"
    mapping = meaning_of(name="latency", prometheus={"query": query})
    assert (mapping.window_s, mapping.quantile) == (120, 0.99)
    mapping = meaning_of(name="latency", exposition={"histogram": "h", "quantile": 0.5, "over": "10s"})
    assert (mapping.window_s, mapping.quantile) == (10, 0.5)
    assert meaning_of(name="requests", prometheus={"query": "job:rate"}).window_s == 30


@pytest.mark.parametrize("query", ["tickets_sold", "requests_waiting_in_queue / cpu"])
def test_what_cannot_be_told_is_refused_and_says_how_to_tell_it(query: str) -> None:
    with pytest.raises(
        MeaningError, match=r"signal load .*: give --signal load=MEANING, one of requests, latency"
    ):
        meaning_of(name="load", prometheus={"query": query})


def test_what_is_told_wins() -> None:
    mapping = meaning_of({"requests": "inflight"}, name="requests", prometheus={"query": "up"})
    assert (mapping.meaning, mapping.why) == ("inflight", "as told")


def test_a_crowd_is_refused_until_it_is_told_to_be_the_backlog() -> None:
    crowd = {"name": "crowd", "onsale": {"name": "gala", "drainWithin": "5m"}}
    with pytest.raises(MeaningError, match="signal crowd reads the waiting room of onsale gala"):
        meaning_of(**crowd)
    with pytest.raises(MeaningError, match="can only be a backlog"):
        meaning_of({"crowd": "requests"}, **crowd)
    meters = Meters()
    meters.record(100, 1, 1, SERVICE.response(1, 100), 50, 0.5)
    reading = meaning_of({"crowd": "backlog"}, **crowd).read(meters, 1, 7.0)
    assert isinstance(reading, Crowd)
    assert (reading.arrivals_per_s, reading.at_s) == (100, 7.0)
    assert reading.backlog >= 50


def test_a_signal_that_is_told_must_exist() -> None:
    with pytest.raises(MeaningError, match=r"--signal load: rule web has no such signal \(it has requests\)"):
        meaning_of({"load": "requests"}, name="requests", prometheus={"query": "up"})


def test_utilisation_is_a_share_of_one_or_percent_by_its_target() -> None:
    meters = Meters()
    meters.record(80, 2, 2, SERVICE.response(2, 80), 0, 0)
    for target, value in ((0.7, 0.8), (70, 80.0)):
        mapping = meaning_of(name="cpu", prometheus={"query": "x"}, perReplica=None, target=target)
        assert mapping.read(meters, 2, 0.0) == Value(pytest.approx(value), 0.0)
    whole = meaning_of(name="cpu", prometheus={"query": "x"}, perReplica=0.7)
    assert whole.read(meters, 2, 0.0) == Value(pytest.approx(1.6), 0.0)


def test_before_anything_happened_there_is_no_data() -> None:
    mapping = meaning_of(name="requests", prometheus={"query": "up"})
    assert isinstance(mapping.read(Meters(), 1, 0.0), Missing)
