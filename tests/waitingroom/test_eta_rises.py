"""What is told of a wait while the rate is about to rise: by servers that are ordered, and those that will be."""

from dataclasses import replace

import pytest

from rulebook import Outlook
from tests.waitingroom.samples import quiet_snapshot
from tests.waitingroom.test_eta import after, middle, run, told, wait, width
from waitingroom.pace import Terms
from waitingroom.rises import Rise, flow_over, rises_of
from waitingroom.snapshot import Line

TERMS = Terms(ceiling_per_s=52.0, session_length_s=600.0)
QUIET = quiet_snapshot(
    lines=(Line(epoch=1, tail=0, released=0, settled=0),),
    rate_per_s=10.0,
    rate_reason="shop: 4 ready x 2.5/s",
    burst=20,
    outlook_at_s=1_000.0,
)
ORDERED = Outlook(50.0, 50.0, 20.0, 60.0, 20.0, 65.0, 240.0)
BY_LAW = replace(ORDERED, coming_per_s=10.0, coming_from_s=0.0, coming_by_s=0.0)


def crowd(outlook: Outlook | None, buyers: int = 4_000, times: int = 20, **changes: object):  # type: ignore[no-untyped-def]
    """Return some seconds of a line that moves at 10/s."""
    begin = replace(QUIET, lines=(Line(epoch=1, tail=buyers, released=0, settled=0),), outlook=outlook)
    begin = replace(begin, **changes)
    return [begin, *run(begin, 10, times)]


def test_a_crowd_is_not_told_the_wait_of_the_few_servers_that_are_ready() -> None:
    blind, informed = told(crowd(None), TERMS), told(crowd(ORDERED), TERMS)
    # Ten a second for forty seconds and fifty then: 2,000 wait for 72 s.
    assert wait(blind, 2_000)[0] > 80.0
    low, high = wait(informed, 2_000)
    assert low < 72.0 < high
    assert high < wait(blind, 2_000)[1]


def test_a_crowd_that_the_rule_has_not_looked_at_yet_counts_as_well() -> None:
    low, high = wait(told(crowd(BY_LAW, buyers=12_000), TERMS), 2_000)
    assert low < 80.0 < high < 200.0
    few = told(crowd(BY_LAW, buyers=2_100, times=1), TERMS)
    assert wait(few, 2_000)[1] > 200.0


def test_what_is_expected_shows_by_and_by() -> None:
    first = told(crowd(None, times=20), TERMS)
    line = crowd(None, times=20)
    heard = after(line[-1], 10, outlook=ORDERED, outlook_at_s=line[-1].at_s)
    once = told([*line, heard], TERMS)
    assert middle(once, 3_000) > 0.5 * middle(first, 3_000)
    assert wait(once, 3_000)[1] > 0.6 * wait(first, 3_000)[1]


def test_a_rise_that_was_told_before_is_believed_when_it_comes() -> None:
    line = crowd(ORDERED, buyers=9_000, times=40)
    before = told(line, TERMS)
    risen = after(line[-1], 10, rate_per_s=50.0, rate_reason="shop: 20 ready x 2.5/s")
    assert middle(told([*line, risen], TERMS), 4_000) < middle(before, 4_000)
    unforeseen = crowd(None, buyers=9_000, times=40)
    surprise = after(unforeseen[-1], 10, rate_per_s=50.0, rate_reason="shop: 20 ready x 2.5/s")
    assert middle(told([*unforeseen, surprise], TERMS), 4_000) > 2.0 * middle(
        told([*line, risen], TERMS), 4_000
    )


def test_a_rate_that_the_shop_has_not_borne_yet_gives_a_wider_range() -> None:
    full = replace(BY_LAW, coming_per_s=50.0)
    line = crowd(full, buyers=40_000, times=5, rate_per_s=50.0)
    fresh = told(line, TERMS)
    borne = told([*line, *run(line[-1], 50, 240)], TERMS)
    assert width(borne, 6_000) < 0.7 * width(fresh, 6_000)


def test_a_capacity_that_goes_with_ready_servers_grows_with_the_rate() -> None:
    small = {"capacity": 600, "sessions": 600}
    by_rule = told(crowd(ORDERED, **small), TERMS)
    assert (
        wait(by_rule, 1_500)[1]
        < 0.7 * wait(told(crowd(ORDERED, **small), replace(TERMS, capacity=600)), 1_500)[1]
    )
    by_hand = told(crowd(ORDERED, **small, operated=(("ops_capacity", "600"),)), TERMS)
    assert wait(by_hand, 1_500)[1] > wait(by_rule, 1_500)[1]


@pytest.mark.parametrize(
    ("opens_in_s", "rise"), [(600.0, Rise(20.0, 0.0, 0.0)), (30.0, Rise(20.0, 0.0, 35.0))]
)
def test_before_the_opening_the_rule_orders_so_that_servers_are_ready_by_then(
    opens_in_s: float, rise: Rise
) -> None:
    waiting = replace(
        QUIET,
        lines=(Line(epoch=1, tail=4_800, released=0, settled=0),),
        outlook=BY_LAW,
        opens_at_s=1_000.0 + opens_in_s,
    )
    assert rises_of(waiting) == (rise,)


def test_what_was_told_a_while_ago_is_so_much_nearer() -> None:
    assert rises_of(replace(QUIET, outlook=ORDERED, at_s=1_015.0)) == (Rise(50.0, 5.0, 45.0),)
    assert rises_of(QUIET) == ()


def test_the_mean_over_a_stretch_counts_each_rate_from_its_moment() -> None:
    steps = [(10.0, 20.0), (15.0, 15.0), (20.0, 50.0)]
    assert flow_over(10.0, steps, 0.0, 10.0) == 10.0
    assert flow_over(10.0, steps, 0.0, 20.0) == pytest.approx(15.0)
    assert flow_over(10.0, steps, 10.0, 40.0) == pytest.approx(20.0 + 30.0 * 2 / 3)
