"""The checks of a sale that went wrong can fail: each broken log is found out, and a whole one is not blamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.capacity import Capacity
from tests.chaos.effects import Effect
from tests.chaos.verdict import (
    STRETCH,
    Run,
    Struck,
    Verdict,
    fastest_stretch,
    first_turn_s,
    hidden_standstill_s,
    judge,
    recovery_s,
)
from tests.system.demo_builders import OPENS, a_buyer, a_checkout, seen
from tidegate.demo.figures import Evidence
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.records import BuyerRecord, Outcome, RateSample, ServedEntry, Step
from tidegate.demo.shapes import Kind

RATE_PER_S = 10.0
CEILING = Ceiling(RATE_PER_S, burst=1)
CAPACITY = Capacity(160, fallback_per_s=2.0, burst=1)
STRUCK = Struck(OPENS + 5, OPENS + 8, Effect(True, "1 of 1 processes stood still"))
END_S = 20.0


def samples(*spells: tuple[float, float, float], rate_per_s: float = RATE_PER_S) -> list[RateSample]:
    """Five samples a second of spells (from, until, released/s), since the opening, at a rate which the room tells."""
    found, released = [], 0.0
    for from_s, until_s, per_s in spells:
        for step in range(round((until_s - from_s) * 5)):
            found.append(
                RateSample(
                    OPENS + from_s + step / 5, rate_per_s, 1, int(released + 1e-9), waiting=1, capacity=160
                )
            )
            released += per_s / 5
    return found


HEALTHY = samples((0, 5, RATE_PER_S), (5, 8, 0), (8, END_S, RATE_PER_S))


def buyers() -> list[BuyerRecord]:
    return [
        a_buyer(
            number,
            waiting=OPENS + number / 10,
            released=OPENS + number / 10 + 0.05,
            admitted=OPENS + number / 10 + 0.5,
            sessions=(f"s{number}",),
            visits=(a_checkout(OPENS + number / 10 + 1),),
        )
        for number in range(20)
    ]


def served(everybody: list[BuyerRecord]) -> list[ServedEntry]:
    return [
        seen(session, OPENS + 1 + buyer.buyer / 10, buyer.buyer)
        for buyer in everybody
        for session in buyer.sessions
    ]


def look(
    everybody: list[BuyerRecord] | None = None,
    rates: list[RateSample] | None = None,
    entries: list[ServedEntry] | None = None,
    **about: object,
) -> Verdict:
    everybody = buyers() if everybody is None else everybody
    evidence = Evidence(
        everybody, served(everybody) if entries is None else entries, HEALTHY if rates is None else rates, []
    )
    run = Run(evidence, OPENS, 10.0, CEILING, CAPACITY, struck=STRUCK, empties_bucket=True)
    return judge(replace(run, **about))


def promises(verdict: Verdict) -> dict[str, str]:
    return {each.promise: "\n".join(each.evidence) for each in verdict.violations}


def test_a_whole_log_breaks_no_promise() -> None:
    verdict = look()
    assert verdict.held, verdict.violations
    counts = (
        verdict.lost_places,
        verdict.double_claims,
        verdict.order_violations,
        verdict.over_admitted,
    )
    assert counts == (0, 0, 0, 0)
    assert (verdict.target_per_s, verdict.share_during) == (RATE_PER_S, 0.0)
    assert verdict.recovery_s == pytest.approx(0.0, abs=0.25)
    assert verdict.first_turn_s == pytest.approx(0.2)
    assert verdict.most_inside == 5


BROKEN_BUYERS = {
    "no place is lost": {"numbers": ((1, 4), (2, 9))},
    "no place is used twice": {"sessions": ("s3", "s3b")},
    "everybody who stays is served": {"outcome": Outcome.UNSERVED},
    "nobody inside is turned away": {"visits": (a_checkout(OPENS + 9, status=302),)},
    "who is inside goes on shopping": {"visits": (a_checkout(OPENS + 9, status=502), a_checkout(OPENS + 10))},
    "the order is kept": {"last_waiting_as_of_s": OPENS + 9},
}


@pytest.mark.parametrize("promise", BROKEN_BUYERS)
def test_a_buyer_who_was_wronged_is_found_and_named(promise: str) -> None:
    everybody = buyers()
    everybody[3] = replace(everybody[3], **BROKEN_BUYERS[promise])
    found = promises(look(everybody))
    assert list(found) == [promise]
    assert "buyer 3 (plain" in found[promise]
    assert [each.promise for each in look(everybody).wrongs] == [promise]


def test_a_failure_is_not_held_against_a_gate_that_was_taken_away_nor_the_shops_own_against_any() -> None:
    everybody = buyers()
    everybody[3] = replace(everybody[3], visits=(a_checkout(OPENS + 9, status=503), a_checkout(OPENS + 10)))
    assert not look(everybody).held
    assert look(everybody, reaches_shop=True).held
    shed = ServedEntry(OPENS + 9, "s3", 3, Step.CHECKOUT, "done", 503, 0.1)
    assert look(everybody, entries=[*served(everybody), shed]).held


@pytest.mark.parametrize("what", ["numbers", "positions"])
def test_a_place_of_two_buyers_is_found_though_one_of_them_never_enters(what: str) -> None:
    everybody = buyers()
    left = {"kind": Kind.LEAVER, "outcome": Outcome.LEFT, "sessions": (), "visits": ()}
    everybody[4] = replace(everybody[4], **left, **{what: getattr(everybody[3], what)})
    found = promises(look(everybody))
    assert "no place is given to two" in found
    assert all(f"buyer {number} " in found["no place is given to two"] for number in (3, 4))


def test_who_is_let_in_without_a_session_is_found() -> None:
    everybody = buyers()
    unseen = ServedEntry(OPENS + 6, None, 3, Step.LANDING, "begin")
    verdict = look(everybody, entries=[*served(everybody), unseen])
    assert promises(verdict) == {
        "nobody is in the shop without a session": "buyer 3 asked for landing at T+6.000"
    }


def test_a_place_that_was_denied_counts_as_lost() -> None:
    everybody = buyers()
    everybody[3] = replace(everybody[3], no_place=1)
    assert look(everybody).lost_places == 1


def test_everybody_who_was_called_too_early_is_counted_and_the_first_few_are_shown() -> None:
    everybody = buyers()
    everybody[3] = replace(everybody[3], last_waiting_as_of_s=OPENS + 9)
    verdict = look(everybody)
    assert verdict.order_violations == 16
    assert promises(verdict)["the order is kept"].endswith("and 11 more")


def test_a_session_of_two_buyers_is_found() -> None:
    everybody = buyers()
    everybody[4] = replace(everybody[4], sessions=("s3",))
    assert list(promises(look(everybody))) == ["no session is shared"]


def test_a_crowd_let_in_at_once_is_too_many() -> None:
    everybody = buyers()
    entries = [seen(f"s{buyer.buyer}", OPENS + 0.1, buyer.buyer) for buyer in everybody]
    verdict = look(everybody, entries=entries)
    # The bucket holds a second of the rate, and the rate has run for 0.1 s.
    assert verdict.over_admitted == 9
    assert "20 sessions were in the shop by T+0.100, 11 were allowed" in promises(verdict).popitem()[1]


@pytest.mark.parametrize("empties_bucket", [True, False])
def test_a_bucket_that_filled_without_end_during_the_fault_is_found(empties_bucket: bool) -> None:
    flood = samples((0, 5, RATE_PER_S), (5, 8, 0), (8, 8.2, 150), (8.2, END_S, RATE_PER_S))
    verdict = look(rates=flood, empties_bucket=empties_bucket)
    assert list(promises(verdict)) == ["no stretch of time releases beyond bucket and rate"]
    assert verdict.over_admitted == pytest.approx(18, abs=1)


def test_a_room_that_tells_more_than_the_shop_can_take_and_releases_it_is_found_out() -> None:
    lies = samples((0, END_S, 60.0), rate_per_s=60.0)
    entries = [seen(f"s{number}", OPENS + number / 60) for number in range(round(END_S * 60))]
    verdict = look(rates=lies, entries=entries, empties_bucket=False)
    assert set(promises(verdict)) == {
        "no more are let in than the bucket allows",
        "no stretch of time releases beyond bucket and rate",
    }
    assert verdict.over_admitted == pytest.approx(END_S * 60 - 10 - END_S * RATE_PER_S, abs=10)
    believed = Ceiling(60.0, burst=1)
    assert look(rates=lies, entries=entries, empties_bucket=False, ceiling=believed).over_admitted == 0


def test_nobody_who_was_told_to_wait_till_the_end_gave_a_place_back() -> None:
    flood = samples((0, 10, RATE_PER_S), (10, 10.2, 150), (10.2, END_S, RATE_PER_S))
    waiting = [
        a_buyer(number, waiting=OPENS + END_S - 1, outcome=Outcome.UNSERVED) for number in range(100, 140)
    ]
    assert "with at most 0 places given back" in promises(look([*buyers(), *waiting], flood))[STRETCH]


def test_time_in_which_nothing_can_be_released_lets_nobody_in_afterwards() -> None:
    entries = [seen(f"s{number}", OPENS + 8.1) for number in range(75)]
    assert look(entries=entries).over_admitted == 14
    assert look(entries=entries, empties_bucket=False).over_admitted == 0


def test_what_is_given_back_by_those_who_leave_may_be_released_again() -> None:
    rates = samples((0, 10, RATE_PER_S), (10, 10.2, 75), (10.2, END_S, RATE_PER_S))
    told = [replace(sample, no_shows=5 if sample.as_of_s > OPENS + 10 else 0) for sample in rates]
    assert fastest_stretch(told, refunds=0).count == 3
    assert fastest_stretch(told, refunds=5).count == 0


def test_what_the_room_did_not_give_back_by_then_lets_nobody_in() -> None:
    rates = samples((0, 10, RATE_PER_S), (10, 10.2, 75), (10.2, END_S, RATE_PER_S))
    later = [replace(sample, no_shows=5 if sample.as_of_s > OPENS + 15 else 0) for sample in rates]
    before = [replace(sample, no_shows=5 if sample.as_of_s > OPENS + 5 else 0) for sample in rates]
    assert [fastest_stretch(each, refunds=50).count for each in (rates, later, before)] == [3, 3, 3]


def test_what_is_given_back_after_a_loss_counts_from_nought() -> None:
    rates = samples((0, 10, RATE_PER_S), (10, 10.2, 75), (10.2, END_S, RATE_PER_S))
    lost = [replace(sample, no_shows=5 if sample.as_of_s > OPENS + 10 else 9) for sample in rates]
    assert fastest_stretch(lost, refunds=50).count == 0


def test_a_leaver_is_neither_unserved_nor_wronged() -> None:
    everybody = buyers()
    everybody[3] = replace(everybody[3], kind=Kind.LEAVER, outcome=Outcome.LEFT, sessions=(), visits=())
    assert look(everybody).held


def test_a_rate_that_never_comes_back_is_a_broken_promise() -> None:
    halved = samples((0, 5, RATE_PER_S), (5, 8, 0), (8, END_S, RATE_PER_S * 0.8))
    verdict = look(rates=halved)
    assert list(promises(verdict)) == ["the rate of release comes back to 90%"]
    assert verdict.recovery_s is None
    assert verdict.wrongs == ()


def test_a_fault_that_never_fell_has_shown_nothing() -> None:
    assert list(promises(look(struck=None))) == ["the fault falls in mid-sale"]


def test_a_fault_that_did_not_take_hold_has_shown_nothing() -> None:
    nobody = replace(STRUCK, effect=Effect(False, "0 of 1 processes stood still"))
    verdict = look(struck=nobody)
    assert not verdict.held
    assert promises(verdict) == {"the fault takes hold": "it did not: 0 of 1 processes stood still"}
    assert verdict.effect == nobody.effect
    assert [each.promise for each in verdict.wrongs] == ["the fault takes hold"]


def test_more_inside_at_once_than_the_capacity_are_too_many() -> None:
    rates = [replace(sample, capacity=3) for sample in HEALTHY]
    verdict = look(rates=rates, capacity=replace(CAPACITY, sessions=3))
    promise = "no more are inside at once than the capacity allows"
    assert promises(verdict) == {promise: "5 sessions were inside at once at T+0.900, 3 were allowed"}
    assert verdict.over_admitted == 2


def test_a_traceback_in_a_log_is_told() -> None:
    assert promises(look(tracebacks=["room.1.log: ...Traceback"])) == {
        "no process logs a traceback": "room.1.log: ...Traceback"
    }


def test_the_recovery_is_timed_from_the_end_of_the_fault() -> None:
    slow = samples((0, 5, RATE_PER_S), (5, 12, 0), (12, END_S, RATE_PER_S))
    assert recovery_s(slow, OPENS + 8, RATE_PER_S) == pytest.approx(3.7, abs=0.4)


def test_a_full_bucket_that_empties_at_once_is_no_recovery() -> None:
    burst = samples((0, 5, RATE_PER_S), (5, 8, 0), (8, 8.2, 50), (8.2, 13, 0), (13, END_S, RATE_PER_S))
    found = recovery_s(burst, OPENS + 8, RATE_PER_S)
    assert found is not None
    assert found > 4


def test_a_dip_that_shows_later_belongs_to_the_fault() -> None:
    later = samples((0, 11, RATE_PER_S), (11, 14, 0), (14, 40, RATE_PER_S))
    assert recovery_s(later, OPENS + 8, RATE_PER_S) == pytest.approx(5.7, abs=0.4)


def test_a_dip_long_after_the_fault_is_another_story() -> None:
    later = samples((0, 30, RATE_PER_S), (30, 33, 0), (33, 60, RATE_PER_S))
    assert recovery_s(later, OPENS + 8, RATE_PER_S) == 0.0


def test_an_empty_line_is_no_dip() -> None:
    rates = samples((0, 5, RATE_PER_S), (5, 8, 0), (8, 14, RATE_PER_S), (14, END_S, 0))
    emptied = [replace(sample, waiting=int(sample.as_of_s < OPENS + 14)) for sample in rates]
    assert recovery_s(emptied, OPENS + 8, RATE_PER_S) == pytest.approx(0.0, abs=0.25)


def test_what_was_lost_and_put_back_is_not_released_twice() -> None:
    rates = list(HEALTHY)
    middle = next(index for index, sample in enumerate(rates) if sample.as_of_s > OPENS + 10)
    rates[middle] = replace(rates[middle], released=0)
    assert look(rates=rates).held


def after_a_standstill(gap_s: float, burst: int) -> list[RateSample]:
    """A fault that ends at 8 s, after which nobody is released for a while, and then a full bucket at once."""
    again_s = 8 + gap_s
    bucketful = (again_s, again_s + 0.2, burst * 5.0)
    return samples((0, 5, RATE_PER_S), (5, again_s, 0), bucketful, (again_s + 0.2, END_S, RATE_PER_S))


@pytest.mark.parametrize("gap_s", [0.4, 1.0, 1.2])
def test_a_standstill_that_a_full_bucket_makes_up_for_shows_as_a_late_first_turn(gap_s: float) -> None:
    burst = 12
    assert gap_s < hidden_standstill_s(Ceiling(RATE_PER_S, burst))
    verdict = look(rates=after_a_standstill(gap_s, burst))
    assert verdict.recovery_s == 0.0
    assert verdict.first_turn_s == pytest.approx(gap_s + 0.2)


def test_a_standstill_longer_than_a_full_bucket_makes_up_for_is_a_recovery_too() -> None:
    burst = 12
    gap_s = hidden_standstill_s(Ceiling(RATE_PER_S, burst)) + 0.5
    recovery = look(rates=after_a_standstill(gap_s, burst)).recovery_s
    assert recovery is not None
    assert recovery > 0.0


def test_a_turn_before_the_end_of_the_fault_is_not_taken_for_the_first_one_after_it() -> None:
    going_on = samples((0, 8, RATE_PER_S), (8, 9.4, 0), (9.4, END_S, RATE_PER_S))
    # The sample at 8.0 s tells of turns since the one at 7.8 s, and the fault has ended in between.
    assert first_turn_s(going_on, OPENS + 7.9) == pytest.approx(1.7)


def test_what_is_lost_and_put_back_after_the_fault_is_no_turn() -> None:
    lost = samples((0, 5, RATE_PER_S), (5, 10, 0), (10, END_S, RATE_PER_S))
    empty = [replace(s, released=0) if 8 <= s.as_of_s - OPENS < 9 else s for s in lost]
    assert first_turn_s(empty, OPENS + 8) == pytest.approx(2.2)


def test_where_nobody_is_called_any_more_there_is_no_first_turn() -> None:
    assert first_turn_s(samples((0, 5, RATE_PER_S), (5, END_S, 0)), OPENS + 8) is None
    assert first_turn_s(HEALTHY, OPENS + END_S) is None
