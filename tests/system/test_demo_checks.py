"""What a scenario has shown is read from samples, and told with its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.system.demo_builders import OPENS, a_buyer, a_checkout
from tidegate.demo.blows import Struck
from tidegate.demo.checks import Check, checks_of
from tidegate.demo.figures import Evidence, Figures, Terms, count
from tidegate.demo.optimum import Capacity
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.records import RateSample
from tidegate.demo.scenarios import FESTIVAL, REPLICA_LOSS, RUSH, SLOW_SHOP, STORE_RESTART, Blow, Scenario

KILLED = Struck(Blow.REPLICA_KILLED, OPENS + 5, OPENS + 7)
STORE_KILLED = Struck(Blow.STORE_KILLED, OPENS + 5, OPENS + 7)
NOBODY = count(
    Evidence([], [], [], []), Terms(OPENS, Capacity(4, 1, 2.0, has_prequeue=True), Ceiling(60.0, burst=20))
)


def rates(*steps: tuple[float, float, str], released: int = 0) -> list[RateSample]:
    return [
        RateSample(OPENS + at_s, rate, 1, released=released, reason=reason) for at_s, rate, reason in steps
    ]


def look(
    scenario: Scenario,
    samples: list[RateSample],
    struck: Struck | None = None,
    figures: Figures = NOBODY,
    evidence: Evidence | None = None,
) -> dict[str, Check]:
    evidence = evidence or Evidence([], [], samples, [])
    return {each.name: each for each in checks_of(scenario, evidence, figures, struck, interval_s=1.0)}


def test_a_crowd_served_near_the_optimum_is_shown_and_one_served_late_is_not() -> None:
    near = look(RUSH, [], figures=replace(NOBODY, ratio=1.25))
    late = look(FESTIVAL, [], figures=replace(NOBODY, ratio=1.26))
    assert near == {
        "served within 1.25 times the optimum": Check(
            "served within 1.25 times the optimum", True, "1.25 times the optimum", {"ratio": 1.25}
        )
    }
    assert not late["served within 1.25 times the optimum"].held


def test_nothing_measured_shows_nothing() -> None:
    assert not look(RUSH, [])["served within 1.25 times the optimum"].held


def test_a_rate_that_falls_and_comes_back_is_timed_from_the_kill() -> None:
    samples = rates(
        (4, 48, "6 ready x 8/s"), (5.5, 40, "5 ready x 8/s, 6 at the last decision"), (8, 48, "6 ready x 8/s")
    )
    found = look(REPLICA_LOSS, samples, KILLED)
    assert found["the rate fell within one interval"] == Check(
        "the rate fell within one interval",
        True,
        "from 48/s to 40/s (5 ready x 8/s, 6 at the last decision) after 0.5 s",
        {"from_per_s": 48.0, "from_ready": 6, "to_per_s": 40.0, "to_ready": 5, "after_s": 0.5},
    )
    assert found["the rate came back"].detail == "48/s again after 3.0 s"
    assert found["the rate came back"].figures == {"after_s": 3.0}


def test_a_rate_that_falls_late_or_never_is_not_within_an_interval() -> None:
    late = look(REPLICA_LOSS, rates((4, 48, ""), (9, 40, "")), KILLED)
    never = look(REPLICA_LOSS, rates((4, 48, ""), (9, 48, "")), KILLED)
    assert not late["the rate fell within one interval"].held
    assert not late["the rate came back"].held
    assert never["the rate fell within one interval"] == Check(
        "the rate fell within one interval", False, "it never fell", {"from_per_s": 48.0}
    )


def test_a_sale_that_was_over_before_the_blow_has_shown_nothing() -> None:
    assert look(REPLICA_LOSS, rates((4, 48, "")), None) == {
        "the blow fell": Check("the blow fell", False, "the sale was over before")
    }


def test_a_slow_shop_that_is_given_less_comes_back_within_its_objective() -> None:
    checkouts = [a_checkout(OPENS + at, latency=3.0 if at < 10 else 1.2) for at in range(20)]
    buyers = [
        a_buyer(number, visits=(checkout,), reasons=("fewer_servers", "shop_slow") if number < 3 else ())
        for number, checkout in enumerate(checkouts)
    ]
    samples = rates((0, 48, "6 ready"), (3, 38, "rule: shop slow: latency 2 > 1.5"))
    found = look(SLOW_SHOP, samples, evidence=Evidence(buyers, [], samples, []))
    assert all(check.held for check in found.values())
    assert [check.detail for check in found.values()] == [
        "rule: shop slow: latency 2 > 1.5",
        "3 of 20 read that the shop is slower than usual",
        "it was missed by 10 checkouts over 9 s; p95 of the last tenth 1.20 s",
    ]
    assert [check.figures for check in found.values()] == [
        {"from_per_s": 48.0, "to_per_s": 38.0},
        {"buyers": 3},
        {"late": 10, "late_over_s": 9.0, "last_p95_s": 1.2, "best_p95_s": 1.2},
    ]


def test_a_slow_shop_of_which_nobody_takes_notice_is_told() -> None:
    found = look(SLOW_SHOP, rates((0, 48, "6 ready"), (9, 48, "6 ready")))
    assert not any(check.held for check in found.values())


def test_buyers_who_read_another_reason_were_not_told_of_a_slow_shop() -> None:
    buyers = [a_buyer(0, reasons=("fewer_servers",))]
    found = look(SLOW_SHOP, [], evidence=Evidence(buyers, [], [], []))
    assert found["buyers in line were told so"] == Check(
        "buyers in line were told so", False, "0 of 1 read that the shop is slower than usual", {"buyers": 0}
    )


def test_a_line_that_goes_on_after_the_store_came_back_is_timed_from_then() -> None:
    samples = [*rates((4, 48, ""), released=90), *rates((7.5, 2, ""), released=90)]
    samples += rates((10, 48, ""), released=91)
    found = look(STORE_RESTART, samples, STORE_KILLED)
    assert (
        found["the line went on"].detail
        == "the store was away for 2.0 s; the next turn came 3.0 s after that"
    )
    assert found["the line went on"].figures == {"away_s": 2.0, "after_s": 3.0}
    assert found["nobody's turn was taken back"].held


def test_a_turn_that_was_taken_back_is_told() -> None:
    samples = [*rates((4, 48, ""), released=90), *rates((8, 48, ""), released=80)]
    found = look(STORE_RESTART, samples, STORE_KILLED)
    assert not found["nobody's turn was taken back"].held
    assert not found["the line went on"].held


@pytest.mark.parametrize(
    ("statuses", "held", "told"),
    [
        pytest.param((200, 200), True, "2 of 2", id="all answered"),
        pytest.param((200, 0), False, "1 of 2", id="one was not"),
        pytest.param((200, 429), False, "1 of 2", id="one was sent back to the line"),
        pytest.param((), False, "0 of 0", id="nobody was inside"),
    ],
)
def test_only_what_was_asked_while_the_store_was_away_tells_whether_shopping_went_on(
    statuses: tuple[int, ...], held: bool, told: str
) -> None:
    inside = [a_checkout(OPENS + 5.5, status=status) for status in statuses]
    buyers = [
        a_buyer(0, visits=(a_checkout(OPENS + 4.9, status=0), *inside, a_checkout(OPENS + 7, status=0)))
    ]
    found = look(STORE_RESTART, [], STORE_KILLED, evidence=Evidence(buyers, [], [], []))
    assert found["buyers inside went on shopping"] == Check(
        "buyers inside went on shopping",
        held,
        f"{told} requests begun while the store was away were answered",
        {"requests": len(statuses), "answered": statuses.count(200)},
    )
