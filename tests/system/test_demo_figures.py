"""Each figure of the report from a handful of records, in order and out of order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.system.demo_builders import OPENS, a_buyer, a_checkout, seen, steady
from tidegate.demo.figures import (
    Evidence,
    Figures,
    Terms,
    count,
    double_claims,
    lost_places,
    percentile,
    shared_sessions,
    slo_violation_share,
)
from tidegate.demo.optimum import Capacity
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.records import (
    CONNECTION_FAILED,
    BuyerRecord,
    Outcome,
    RateSample,
    ReplicaSample,
    ServedEntry,
    ShopVisit,
    Step,
    TargetSample,
    read_records,
    write_records,
)
from tidegate.demo.shapes import Kind

TERMS = Terms(OPENS, Capacity(4, 1, startup_s=2.0, has_prequeue=True), Ceiling(60.0, burst=20))


def counted(
    buyers: Sequence[BuyerRecord] = (),
    served: Sequence[ServedEntry] = (),
    replicas: Sequence[ReplicaSample] = (),
) -> Figures:
    return count(Evidence(buyers, served, steady(10.0, OPENS + 60), replicas), TERMS)


def a_good_run() -> Figures:
    """Three are served in order; one leaves."""
    buyers = [
        a_buyer(
            number,
            arrived=OPENS - 1.0,
            waiting=OPENS + 1.0,
            released=OPENS + 2.0,
            admitted=OPENS + 2.0 + number,
            sessions=(f"s{number}",),
            visits=(
                ShopVisit(Step.LANDING, 200, OPENS + 2.0 + number, 0.01),
                ShopVisit(Step.SEATS, 200, OPENS + 3.0 + number, 0.01),
                a_checkout(OPENS + 4.0 + number, 0.5 + 0.1 * number),
            ),
        )
        for number in range(3)
    ]
    buyers.append(
        a_buyer(3, kind=Kind.LEAVER, outcome=Outcome.LEFT, waiting=OPENS - 0.5, arrived=OPENS - 1.0)
    )
    served = [seen(f"s{number}", OPENS + 2.1 + number, number) for number in range(3)]
    replicas = [ReplicaSample(OPENS + at, 3, ready) for at, ready in ((0, 1), (1, 3), (2, 2))]
    return counted(buyers, served, replicas)


def test_a_good_run_keeps_every_promise() -> None:
    figures = a_good_run()
    assert figures.kept_promises
    assert (figures.lost_places, figures.over_admitted, figures.double_claims, figures.order_violations) == (
        0,
        0,
        0,
        0,
    )


def test_buyers_are_counted_by_how_far_they_came() -> None:
    figures = a_good_run()
    assert (figures.buyers, figures.joined, figures.admitted) == (4, 4, 3)
    assert (figures.served, figures.left, figures.unserved) == (3, 1, 0)


def test_a_room_that_admits_by_a_rate_of_its_own_is_found_out() -> None:
    served = [seen(f"s{number}", OPENS + number / 40, number) for number in range(400)]
    lies, targets = steady(40.0, OPENS + 10), [TargetSample(OPENS - 5, OPENS + 60, 10.0)]
    assert count(Evidence([], served, lies, []), TERMS).over_admitted == 0
    found = count(Evidence([], served, lies, [], targets), TERMS)
    assert found.over_admitted == pytest.approx(400 - 10 - 100, abs=2)
    assert not found.kept_promises


def test_replicas_are_the_ready_ones() -> None:
    figures = a_good_run()
    assert (figures.replicas_min, figures.replicas_max) == (1, 3)


def test_the_last_checkout_begun_ends_the_count_of_seconds() -> None:
    figures = a_good_run()
    assert figures.seconds_to_serve == 6.0
    # Three who stay, at 32/s: the third begins 2/32 s after the first, and 0.4 s in the shop.
    assert figures.seconds_optimum == pytest.approx(0.46)
    assert figures.ratio == pytest.approx(6.0 / 0.4625, rel=1e-3)


def test_waits_count_from_the_opening_for_those_who_came_before() -> None:
    figures = a_good_run()
    assert (figures.wait_p50_s, figures.wait_p95_s) == (3.0, 4.0)


def test_the_checkouts_p95_is_what_buyers_saw() -> None:
    assert a_good_run().shop_p95_ms == 700.0


def test_where_nothing_was_measured_there_is_no_figure() -> None:
    figures = counted()
    nothing = (
        figures.shop_p95_ms, figures.seconds_to_serve, figures.ratio, figures.wait_p50_s, figures.replicas_min,
        figures.slo_violation_share, figures.seconds_optimum,
    )  # fmt: skip
    assert nothing == (None,) * 7


def test_a_second_number_is_a_lost_place() -> None:
    assert lost_places([a_buyer(0, numbers=((1, 4), (1, 9)))]) == 1


def test_a_second_position_is_a_lost_place() -> None:
    assert lost_places([a_buyer(0, positions=((1, 4), (1, 9)))]) == 1


def test_being_told_that_there_is_no_place_is_a_lost_place() -> None:
    assert lost_places([a_buyer(0, no_place=2), a_buyer(1)]) == 1


def test_who_never_joined_lost_nothing() -> None:
    assert lost_places([a_buyer(0, numbers=(), positions=(), no_place=1)]) == 0


def test_two_sessions_of_one_buyer_are_a_double_claim() -> None:
    assert double_claims([a_buyer(0, sessions=("a", "b")), a_buyer(1, sessions=("c",))], []) == 1


def test_a_second_session_which_only_the_shop_saw_is_one_too() -> None:
    buyers = [a_buyer(0, sessions=("a",)), a_buyer(1, sessions=("b",))]
    assert double_claims(buyers, [seen("a", OPENS, 0), seen("b", OPENS, 1)]) == 0
    assert double_claims(buyers, [seen("a", OPENS, 0), seen("x", OPENS, 0)]) == 1


def test_one_session_used_by_two_buyers_is_seen() -> None:
    assert shared_sessions([a_buyer(0, sessions=("a",)), a_buyer(1, sessions=("a",))], []) == 1
    assert shared_sessions([a_buyer(0, sessions=("a",))], [seen("a", OPENS, 0)]) == 0


def test_errors_are_the_shops_faults_only() -> None:
    visits = tuple(
        a_checkout(OPENS, status=status) for status in (200, 303, 429, 500, 502, 503, CONNECTION_FAILED)
    )
    figures = counted([a_buyer(0, visits=visits)])
    assert (figures.shop_requests, figures.shop_errors, figures.turned_away) == (7, 4, 2)


def test_slow_and_failed_requests_break_the_objective() -> None:
    visits = [
        a_checkout(OPENS, 1.5),
        a_checkout(OPENS, 1.6),
        a_checkout(OPENS, 0.1, 503),
        a_checkout(OPENS, 0.1),
    ]
    assert slo_violation_share(visits) == 0.5


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.95, None), ([3.0], 0.95, 3.0), ([2.0, 1.0], 0.5, 1.0), (list(range(1, 101)), 0.95, 95)],
)
def test_percentiles_are_values_that_occurred(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([a_buyer(0, outcome=Outcome.UNSERVED)], id="unserved"),
        pytest.param([a_buyer(0, no_place=1)], id="lost place"),
        pytest.param([a_buyer(0, sessions=("a", "b"))], id="double claim"),
        pytest.param([a_buyer(0, waiting=1009.0), a_buyer(1, released=1008.0)], id="order violation"),
    ],
)
def test_one_broken_promise_is_enough(broken: list[BuyerRecord]) -> None:
    assert not counted(broken).kept_promises


def test_too_many_sessions_break_a_promise() -> None:
    figures = counted(served=[seen(f"s{number}", OPENS + 0.01) for number in range(15)])
    assert figures.over_admitted == 5
    assert not figures.kept_promises


def test_nine_in_ten_have_a_time_of_their_own() -> None:
    buyers = [a_buyer(number, visits=(a_checkout(OPENS + number),)) for number in range(10)]
    assert counted(buyers).seconds_to_serve_90 == 8.0
    assert counted([*buyers, *(a_buyer(number) for number in range(10, 20))]).seconds_to_serve_90 is None


def test_records_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    buyers = [a_buyer(0, sessions=("a",), visits=(a_checkout(OPENS),)), a_buyer(1, kind=Kind.TWO_TABS)]
    write_records(tmp_path / "buyers.jsonl", buyers)
    assert read_records(BuyerRecord, tmp_path / "buyers.jsonl") == buyers
    rates = [RateSample(OPENS, 8.0, 20, released=3, waiting=4, reason="2 ready x 4/s")]
    write_records(tmp_path / "rates.jsonl", rates)
    assert read_records(RateSample, tmp_path / "rates.jsonl") == rates


def test_a_line_cut_short_by_a_killed_replica_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "shop.jsonl"
    write_records(log, [seen("a", OPENS, 0)])
    log.write_bytes(log.read_bytes() + b'{"at_s": 10')
    assert read_records(ServedEntry, log) == [seen("a", OPENS, 0)]
