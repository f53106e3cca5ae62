"""Whether releases are as the rate says, counted from looks at the counter: P4 and P5 of a crowd."""

import pytest

from tidegate.bench.releases import Look, over, shortfall

S = 1_000_000


def at_rate(rate: int, seconds: int, every_ms: int = 50) -> list[Look]:
    return [Look(7 * S + ms * 1000, rate * ms // 1000) for ms in range(0, 1000 * seconds + 1, every_ms)]


def test_a_line_at_its_rate_is_neither_over_nor_short() -> None:
    looks = at_rate(10, 20)
    assert over(looks, 10.0, burst=1) == 0
    assert shortfall(looks, 10.0) == pytest.approx(0.0, abs=1e-9)


def test_a_bucket_may_be_emptied_at_once_but_not_more() -> None:
    full = [Look(0, 0), Look(1, 10), Look(S, 20)]
    assert over(full, 10.0, burst=1) == 0
    assert over([Look(0, 0), Look(1, 13), Look(S, 20)], 10.0, burst=1) == pytest.approx(3.0, abs=0.01)
    assert over([Look(0, 0), Look(1, 13)], 10.0, burst=13) == 0


def test_a_line_that_falls_behind_is_short() -> None:
    looks = [Look(look.at_us, look.released * 9 // 10) for look in at_rate(10, 100)]
    assert shortfall(looks, 10.0) == pytest.approx(0.1, abs=0.01)


def test_a_line_that_stands_still_in_the_end_or_at_first_is_short() -> None:
    stops = [Look(look.at_us, min(look.released, 100)) for look in at_rate(10, 20)]
    assert shortfall(stops, 10.0) == pytest.approx(0.5, abs=0.01)
    begins = [Look(look.at_us, max(look.released, 100)) for look in at_rate(10, 20)]
    assert shortfall(begins, 10.0) == pytest.approx(0.5, abs=0.01)
    assert shortfall([Look(look.at_us, 7) for look in stops], 10.0) == 1.0


def test_a_look_before_the_next_release_is_no_standstill() -> None:
    looks = [Look(look.at_us, min(look.released, 192)) for look in at_rate(10, 20)]
    assert shortfall(looks, 10.0) == pytest.approx(0.0, abs=1e-9)


def test_nothing_is_said_of_a_line_of_which_no_two_releases_were_due() -> None:
    assert shortfall([Look(0, 5), Look(S, 5), Look(2 * S, 6)], 1.0) is None
    assert shortfall([], 1.0) is None
