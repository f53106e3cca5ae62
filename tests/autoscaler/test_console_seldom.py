"""What strangers bring about is told at once, and then once a minute with how often it was."""

from autoscaler.console.seldom import Seldom


def test_the_first_is_told_at_once_and_the_next_ones_together() -> None:
    seldom = Seldom()
    assert [seldom.count(1.0), seldom.count(2.0), seldom.count(60.9)] == [1, 0, 0]
    assert seldom.count(61.0) == 3
    assert seldom.count(62.0) == 0
