"""P5 as the admission benchmark counts it: what the bucket holds back is seen, a late look is not."""

import pytest

from tests.benchmarks.admission import Look, shortfall
from tests.benchmarks.bound import Mark

STEP_US = 10_000


def counted(released: list[int], per_look: float) -> float:
    looks = [Look(STEP_US * number, count, 10_000, 0) for number, count in enumerate(released)]
    due = [per_look * number for number in range(len(released))]
    marks = [Mark(look.released, look.released, at, at, 60, 60) for look, at in zip(looks, due, strict=True)]
    return shortfall(looks, marks)


def test_a_bucket_that_loses_tokens_is_seen() -> None:
    assert counted([int(number * 0.95) for number in range(1000)], 1.0) == pytest.approx(0.05, abs=0.002)


def test_processes_that_were_late_at_the_last_look_lost_nothing() -> None:
    assert counted([*range(980), *[979] * 20], 1.0) == 0.0
