"""Workers share their figures by memory: a slot each, that outlives whoever writes it."""

import os
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from waitingroom.scoreboard import Scoreboard, SlotFull
from waitingroom.sharing import SharedCollector, Slot, decode, encode, merge, sheet_of

JOINS, REQUESTS, COPY_AT = "tidegate_queue_joins", "tidegate_queue_requests", "tidegate_queue_copy_timestamp_seconds"  # fmt: skip


class Worker(Collector):
    """What one worker would tell alone."""

    def __init__(self, joins: int, at_s: float, requests: int, reason: str = "document") -> None:
        self.joins, self.at_s, self.requests, self.reason = joins, at_s, requests, reason

    def collect(self) -> Iterator[Metric]:
        joins = CounterMetricFamily(JOINS, "Joins.", labels=["onsale"])
        joins.add_metric(["cactus"], self.joins)
        at = GaugeMetricFamily(COPY_AT, "At.", labels=["onsale"])
        at.add_metric(["cactus"], self.at_s)
        reason = GaugeMetricFamily("tidegate_queue_rate_reason", "Why.", labels=["onsale", "reason"])
        reason.add_metric(["cactus", self.reason], 1)
        requests = CounterMetricFamily(REQUESTS, "Requests.", labels=["onsale", "kind"])
        requests.add_metric(["cactus", "status"], self.requests)
        calls = HistogramMetricFamily("tidegate_queue_store_call_seconds", "Calls.", labels=["script"])
        calls.add_metric(["join"], [("0.1", self.requests), ("+Inf", self.requests)], 0.5)
        connected = GaugeMetricFamily(
            "tidegate_queue_gate_feed_connected", "Feed.", value=float(self.requests > 1)
        )
        yield from (joins, at, reason, requests, calls, connected)


def shared(board: Scoreboard, number: int, worker: Worker) -> SharedCollector:
    own = CollectorRegistry()
    own.register(worker)
    return SharedCollector(own, Slot(board, number))


def exposed(collector: SharedCollector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


class Late(Collector):
    """A family that a worker registers some time after it has begun to show its figures."""

    def collect(self) -> Iterator[Metric]:
        checks = CounterMetricFamily("tidegate_queue_gate_checks", "Checks.", labels=["gate"])
        checks.add_metric(["proxy"], 5)
        yield checks


def test_a_successor_loses_no_count_before_it_has_registered_all(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Scoreboard(2)
    own = CollectorRegistry()
    own.register(Late())
    SharedCollector(own, Slot(board, 0)).show()
    key = ("tidegate_queue_gate_checks", "tidegate_queue_gate_checks_total", (("gate", "proxy"),))
    fresh = CollectorRegistry()
    successor = SharedCollector(fresh, Slot(board, 0))
    successor.show()
    assert decode(board.read(0))[key] == 5.0
    fresh.register(Late())
    successor.show()
    assert decode(board.read(0))[key] == 10.0
    # One that ends before it has registered them hands them on all the same.
    SharedCollector(CollectorRegistry(), Slot(board, 0)).show()
    assert decode(board.read(0))[key] == 10.0


def test_a_scrape_of_any_worker_shows_what_all_did() -> None:
    board = Scoreboard(2)
    one, other = shared(board, 0, Worker(10, 100.0, 3)), shared(board, 1, Worker(12, 101.0, 4))
    one.show()
    other.show()
    for collector in (one, other):
        text = exposed(collector)
        assert f'{REQUESTS}_total{{kind="status",onsale="cactus"}} 7.0' in text.replace(
            'onsale="cactus",kind="status"', 'kind="status",onsale="cactus"'
        )
        assert 'store_call_seconds_bucket{le="+Inf",script="join"} 7.0' in text.replace(
            'script="join",le="+Inf"', 'le="+Inf",script="join"'
        )
        assert "store_call_seconds_sum" in text
        assert "feed_connected 1.0" in text


def test_what_stands_in_the_store_comes_from_the_newest_copy() -> None:
    old, new = Worker(9, 100.0, 1, "fallback"), Worker(12, 101.0, 1, "target")
    merged = merge([sheet_of(new.collect()), sheet_of(old.collect())])
    cactus = ("onsale", "cactus")
    assert merged[JOINS, f"{JOINS}_total", (cactus,)] == 12
    reasons = {key[2][1][1] for key in merged if key[0] == "tidegate_queue_rate_reason"}
    assert reasons == {"target"}
    assert merged["tidegate_queue_gate_feed_connected", "tidegate_queue_gate_feed_connected", ()] == 0


def test_who_stands_in_for_a_dead_worker_counts_on() -> None:
    board = Scoreboard(1)
    shared(board, 0, Worker(10, 100.0, 5)).show()
    second = shared(board, 0, Worker(10, 102.0, 2))
    for _ in range(3):  # showing again adds nothing
        second.show()
    merged = decode(board.read(0))
    status = (("onsale", "cactus"), ("kind", "status"))
    assert merged[REQUESTS, f"{REQUESTS}_total", status] == 7
    assert merged[JOINS, f"{JOINS}_total", (("onsale", "cactus"),)] == 10


def test_a_sheet_comes_back_as_it_was_written() -> None:
    sheet = sheet_of(Worker(3, 4.5, 6).collect())
    assert decode(encode(sheet)) == sheet
    assert decode(b"") == {}


def test_the_board_is_shared_by_processes() -> None:
    board = Scoreboard(2)
    child = os.fork()
    if not child:
        board.write(1, b"from the child")
        os._exit(0)
    os.waitpid(child, 0)
    assert board.read(1) == b"from the child"
    assert board.read(0) == b""


def test_a_text_that_is_too_long_leaves_the_one_before() -> None:
    board = Scoreboard(1, slot_bytes=256)
    board.write(0, b"fits")
    with pytest.raises(SlotFull, match=r"300 bytes, there is room for"):
        board.write(0, b"x" * 300)
    assert board.read(0) == b"fits"
