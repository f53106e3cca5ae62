"""The range of a wait from a line's pace: what it follows, what widens it, and what is said when it grows."""

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.waitingroom.samples import quiet_snapshot
from waitingroom.eta import NO_ETA, Eta, Range
from waitingroom.forecaster import Forecaster
from waitingroom.pace import Terms
from waitingroom.slowdown import Cause
from waitingroom.snapshot import Line, Snapshot

TERMS = Terms(ceiling_per_s=20.0, session_length_s=600.0)
BEGIN = quiet_snapshot(
    lines=(Line(epoch=1, tail=6_000, released=0, settled=0),),
    rate_per_s=20.0,
    burst=20,
    released_per_s=20.0,
    claimed_per_s=20.0,
)


def after(snapshot: Snapshot, released: int, seconds: float = 1.0, **changes: object) -> Snapshot:
    """Return a snapshot later in which so many more are released."""
    (line,) = snapshot.lines
    moved = replace(line, released=line.released + released)
    return replace(snapshot, at_s=snapshot.at_s + seconds, lines=(moved,), **changes)  # type: ignore[arg-type]


def run(snapshot: Snapshot, released: int, times: int, **changes: object) -> list[Snapshot]:
    """Return as many snapshots, a second apart, in each of which so many more are released."""
    snapshots = []
    for _ in range(times):
        snapshot = after(snapshot, released, **changes)
        snapshots.append(snapshot)
    return snapshots


def told(snapshots: Iterable[Snapshot], terms: Terms = TERMS) -> Eta:
    """Return what is told at the end."""
    forecaster, eta = Forecaster(terms), NO_ETA
    for snapshot in snapshots:
        eta = forecaster.see(snapshot)
    return eta


def wait(eta: Eta, ahead: float) -> Range:
    """Return the range; there must be one."""
    found = eta.range_s(ahead)
    assert found is not None
    return found


def middle(eta: Eta, ahead: float) -> float:
    return sum(wait(eta, ahead)) / 2.0


def width(eta: Eta, ahead: float) -> float:
    low, high = wait(eta, ahead)
    return (high - low) / middle(eta, ahead)


def test_the_range_holds_the_wait_at_the_rate_in_force() -> None:
    low, high = wait(told([BEGIN]), 1_999)
    assert low < 2_000 / 20.0 < high


def test_who_stands_further_back_is_told_no_shorter_wait() -> None:
    eta = told([BEGIN, *run(BEGIN, 20, 30)])
    waits = [wait(eta, ahead) for ahead in range(0, 20_000, 7)]
    step = max(eta.steps_s)
    for one, other in pairwise(waits):
        assert other[0] >= one[0] - step
        assert other[1] >= one[1] - step
        assert 0.0 <= one[0] < one[1]


def test_beyond_the_last_knot_the_wait_goes_on_growing() -> None:
    eta = told([BEGIN])
    assert wait(eta, 10_000_000)[0] > wait(eta, 1_000_000)[1] > 40_000


def test_the_longer_a_rate_has_held_the_narrower_is_the_range() -> None:
    fresh, proven = told([BEGIN]), told([BEGIN, *run(BEGIN, 20, 200)])
    assert width(proven, 4_000) < width(fresh, 4_000)


def test_a_rate_that_falls_is_told_at_once_and_one_that_rises_by_and_by() -> None:
    steady = [BEGIN, *run(BEGIN, 20, 60)]
    before = middle(told(steady), 2_000)
    halved = [*steady, after(steady[-1], 10, rate_per_s=10.0, rate_reason="shop: 3 ready x 3/s")]
    assert middle(told(halved), 2_000) > 1.7 * before
    back = [*halved, after(halved[-1], 20, rate_per_s=20.0, rate_reason="ceiling")]
    assert middle(told(back), 2_000) > 1.4 * before
    assert middle(told([*back, *run(back[-1], 20, 60)]), 2_000) < 1.2 * before


def test_refunds_of_no_shows_make_the_line_faster_than_the_rate() -> None:
    plain = told([BEGIN, *run(BEGIN, 20, 120)])
    refunded = told([BEGIN, *run(BEGIN, 25, 120)])
    assert middle(refunded, 4_000) < 0.9 * middle(plain, 4_000)


def test_late_buyers_who_are_served_first_are_counted_among_those_ahead() -> None:
    assert middle(told([replace(BEGIN, late=400)]), 2_000) > middle(told([BEGIN]), 2_300)


def test_tokens_in_the_bucket_are_there_at_once() -> None:
    low, _ = wait(told([replace(BEGIN, tokens=20.0)]), 15)
    assert low == 0.0


def test_a_rate_below_the_ceiling_leaves_room_for_servers_that_are_being_started() -> None:
    ramping = replace(BEGIN, rate_per_s=10.0, rate_reason="shop: 2 ready x 5/s")
    at_ceiling = told([ramping], Terms(10.0, 600.0))
    may_rise = told([ramping], Terms(60.0, 600.0))
    assert wait(may_rise, 4_000)[0] < 0.6 * wait(at_ceiling, 4_000)[0]
    limited = told([replace(ramping, rate_reason="operator")], Terms(60.0, 600.0))
    assert wait(limited, 4_000) == wait(at_ceiling, 4_000)


def test_a_shop_that_will_be_full_bounds_the_pace_by_the_stay() -> None:
    small = replace(BEGIN, capacity=600)
    open_shop, full_shop = told([BEGIN]), told([small])
    # 600 places for ten minutes each make one a second.
    assert wait(full_shop, 3_000)[1] > 2_000.0
    assert middle(full_shop, 200) == middle(open_shop, 200)


def test_the_stay_is_measured_while_the_shop_is_full() -> None:
    full = replace(BEGIN, capacity=600, sessions=600, tokens=20.0, claimed=600)
    seen, snapshot = [full], full
    for _ in range(600):
        # Twelve leave and twelve come each second: a stay of 50 s, where the document allows ten minutes.
        snapshot = after(snapshot, 12, claimed=snapshot.claimed + 12)
        snapshot = replace(snapshot, lines=(replace(snapshot.lines[0], tail=snapshot.lines[0].tail + 12),))
        seen.append(snapshot)
    low, high = wait(told(seen), 2_400)
    assert low < 200.0 < high < 320.0


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"hold": "the payment provider is down", "rate_per_s": 0.0, "rate_reason": "hold"}, Cause.HELD),
        ({"rate_per_s": 0.0, "rate_reason": "shop: 0 ready x 4/s"}, Cause.NONE_READY),
        ({"rate_per_s": 0.0, "rate_reason": "shop: closed"}, Cause.STOPPED),
    ],
)
def test_where_nobody_is_let_in_no_wait_is_named_but_the_cause_is(
    changes: dict[str, object], cause: Cause
) -> None:
    eta = told([BEGIN, after(BEGIN, 20), after(after(BEGIN, 20), 0, **changes)])
    assert eta.range_s(10) is None
    assert eta.slowdown is not None
    assert eta.slowdown.cause is cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("operator", Cause.OPERATOR),
        ("shop: no fresh target, fallback", Cause.NO_TARGET),
        ("data was lost, fallback", Cause.RECOVERING),
        ("shop: shop slow: latency 2 > 1.5, factor 0.8, 6 ready x 3/s", Cause.SHOP_SLOW),
        ("shop: 2 ready x 5/s", Cause.FEWER_SERVERS),
        ("shop: so it was written", Cause.SLOWER),
    ],
)
def test_a_lower_rate_is_explained_by_what_came_with_it(reason: str, cause: Cause) -> None:
    usual = replace(BEGIN, rate_reason="shop: 6 ready x 3/s")
    steady = [usual, *run(usual, 20, 60)]
    first = after(steady[-1], 20, rate_per_s=10.0, rate_reason=reason)
    slower = [*steady, first, *run(first, 10, 3)]
    eta = told(slower)
    assert eta.slowdown is not None
    assert eta.slowdown.cause is cause
    fields = json.loads(eta.slowdown_json)
    assert fields["code"] == cause.value
    assert (fields["rate_per_s"], fields["usual_per_s"]) == (10.0, 20.0)
    if cause is Cause.FEWER_SERVERS:
        assert (fields["ready"], fields["usual_ready"]) == (2, 6)
        assert "2 instead of 6" in fields["text"]


def test_after_ten_minutes_the_slower_pace_is_the_usual_one() -> None:
    steady = [BEGIN, *run(BEGIN, 20, 60)]
    slower = [*steady, *run(steady[-1], 10, 2_000, rate_per_s=12.0)]
    assert told(slower[:100]).slowdown is not None
    assert told(slower).slowdown is None


def test_an_operators_words_are_data_in_the_json() -> None:
    eta = told([replace(BEGIN, hold='a "pause"</script>.', rate_per_s=0.0)])
    assert json.loads(eta.slowdown_json)["reason"] == 'a "pause"</script>'


def test_before_the_opening_the_wait_counts_from_now() -> None:
    early = replace(BEGIN, opens_at_s=1_600.0)
    eta = told([early])
    low, high = wait(eta, 199)
    assert low <= 610.0 <= high
    assert eta.prequeue_s is not None
    assert 600.0 <= eta.prequeue_s[0] < eta.prequeue_s[1]
    assert eta.slowdown is None


def test_hours_before_the_opening_prove_nothing_of_the_rate() -> None:
    early = replace(BEGIN, opens_at_s=9_000.0)
    waited = told([early, after(early, 0, 7_000.0), after(early, 0, 8_000.0)])
    assert width(waited, 4_000) >= width(told([replace(BEGIN, opens_at_s=1.0)]), 4_000) * 0.9


@pytest.mark.parametrize(
    "waits", [pytest.param("opening", id="for the opening"), pytest.param("draw", id="for the draw")]
)
def test_who_waits_outside_closed_doors_does_not_wait_for_room_in_the_shop(waits: str) -> None:
    """The bucket is full by then: if that were a full shop, the slow pace of one would be the usual one after the opening."""
    opens_at_s = BEGIN.at_s + (60.0 if waits == "opening" else 0.0)
    begin = replace(BEGIN, tokens=20.0, capacity=400, opens_at_s=opens_at_s, order="draw")
    shut = [begin, *run(begin, 0, 60)]
    opened = run(shut[-1], 20, 5, tokens=0.0, sessions=60, draw_record="signed")
    slow = after(
        opened[-1], 10, rate_per_s=10.0, rate_reason="shop: shop slow: latency 2 > 1.5, 6 ready x 2/s"
    )
    reason = told([*shut, *opened, slow]).slowdown
    assert reason is not None
    assert (reason.cause, reason.usual_per_s) == (Cause.SHOP_SLOW, 20.0)
