"""P3's other half: however many wait, together they stay within the poll budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitingroom.polling import retry_after_s


@pytest.mark.parametrize("waiting", [1, 50, 1_000, 30_000, 1_000_000])
@pytest.mark.parametrize("budget", [50.0, 1_000.0, 5_000.0])
def test_all_waiting_buyers_together_stay_within_the_budget(waiting: int, budget: float) -> None:
    step = max(1, waiting // 20_000)
    asked_per_s = sum(
        step / retry_after_s(ahead, waiting, budget, ahead) for ahead in range(step // 2, waiting, step)
    )
    # An even spread of +-20 % around an interval raises the mean of its inverse by 1.4 %.
    assert asked_per_s <= min(waiting / 0.4, budget * 1.02) + 1.5


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_who_stands_further_back_asks_less_often(ahead: int, further: int, salt: int) -> None:
    near, far = sorted((ahead, further))
    assert retry_after_s(near, 10**6, 1_000, salt) <= retry_after_s(far, 10**6, 1_000, salt)
    assert retry_after_s(near, 10**6, 1_000, salt) >= 0.4


def test_buyers_of_one_arrival_do_not_come_back_together() -> None:
    answers = {round(retry_after_s(1_000, 2_000, 100, number), 1) for number in range(1_000)}
    assert len(answers) > 30
