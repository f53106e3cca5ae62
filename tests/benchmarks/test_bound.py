"""The measure of P4 itself, against the definition taken literally: every pair of moments, one by one."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.bound import Amount, Mark, excess


def worst_pair(marks: list[Mark]) -> Amount:
    worst = []
    for start, first in enumerate(marks):
        size = first.size
        for index, last in enumerate(marks[start:]):
            size = size if index == 0 else max(size, last.size_since)
            released = last.released_after - first.released_before
            worst.append(released - (last.allowed_after - first.allowed_before) - size)
    return max(worst)


@st.composite
def logs(draw: st.DrawFn) -> list[Mark]:
    amounts = st.integers(0, 30).map(Fraction)
    marks, released, allowed = [], Fraction(0), Fraction(0)
    for _ in range(draw(st.integers(1, 12))):
        allowed += draw(amounts)
        size = draw(amounts)
        since = max(size, draw(amounts))
        more, refunds = draw(amounts), draw(amounts)
        marks.append(Mark(released, released + more, allowed, allowed + refunds, size, since))
        released += more
        allowed += refunds
    return marks


@given(logs())
def test_the_worst_pair_of_moments_is_found(marks: list[Mark]) -> None:
    assert excess(marks) == worst_pair(marks)


def test_one_release_too_many_shows_as_one() -> None:
    full = Mark(0, 5, 0, 0, 5, 5)
    assert excess([full, Mark(5, 8, 2, 2, 5, 5)]) == 1


def test_a_smaller_bucket_counts_from_the_moment_it_is_in_force() -> None:
    """Both windows that begin under the large bucket hold; the one that begins after it does not."""
    large = Mark(0, 0, 0, 0, 20, 20)
    assert excess([large, Mark(0, 8, 0, 0, 5, 20)]) == 3


def test_an_empty_log_exceeds_nothing() -> None:
    assert excess([]) == 0
