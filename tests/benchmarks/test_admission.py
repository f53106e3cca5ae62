"""P5 as the admission benchmark counts it: what the bucket holds back is seen, a late look is not."""

import pytest

from tests.benchmarks.admission import Look, Piece, shortfall, worst_piece
from tests.benchmarks.bound import Mark

STEP_US = 10_000
FAST_PER_LOOK, SLOW_PER_LOOK = 2.0, 0.3  # 200/s and 30/s
LOOKS = 1_000


def counted(released: list[int], per_look: float) -> float:
    looks = [Look(STEP_US * number, count, 10_000, 0) for number, count in enumerate(released)]
    due = [per_look * number for number in range(len(released))]
    marks = [Mark(look.released, look.released, at, at, 60, 60) for look, at in zip(looks, due, strict=True)]
    return shortfall(looks, marks)


def test_a_bucket_that_loses_tokens_is_seen() -> None:
    assert counted([int(number * 0.95) for number in range(1000)], 1.0) == pytest.approx(0.05, abs=0.002)


def of_two_rates(kept: float) -> tuple[list[Look], list[Mark], list[Piece]]:
    """Ten seconds at 200/s and ten at 30/s, in which this share of what was due is released."""
    due = [FAST_PER_LOOK * min(at, LOOKS) + SLOW_PER_LOOK * max(0, at - LOOKS) for at in range(2 * LOOKS)]
    count = [
        int(FAST_PER_LOOK * min(at, LOOKS) + kept * SLOW_PER_LOOK * max(0, at - LOOKS))
        for at in range(2 * LOOKS)
    ]
    looks = [Look(STEP_US * at, released, 10_000, 0) for at, released in enumerate(count)]
    marks = [Mark(look.released, look.released, at, at, 60, 60) for look, at in zip(looks, due, strict=True)]
    return looks, marks, [Piece(0, 200.0), Piece(STEP_US * LOOKS, 30.0)]


@pytest.mark.parametrize(("kept", "short"), [(1.0, 0.0), (0.95, 0.05)])
def test_a_low_rate_that_is_not_kept_is_seen_beside_a_high_one_that_is(kept: float, short: float) -> None:
    looks, marks, pieces = of_two_rates(kept)
    assert shortfall(looks, marks) < 0.01
    assert worst_piece(looks, marks, pieces) == pytest.approx(short, abs=0.004)


def test_processes_that_were_late_at_the_last_look_lost_nothing() -> None:
    assert counted([*range(980), *[979] * 20], 1.0) == 0.0
