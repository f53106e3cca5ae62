"""P7: the draw is a permutation, and uniform over many seeds."""

import hashlib
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitingroom.draw import make_draw


def seed(number: int) -> bytes:
    return hashlib.sha256(b"test seed %d" % number).digest()


def chi_square_bound(freedom: int) -> float:
    """Return a bound which a chi-square variable of `freedom` degrees passes about once in 10^5 (Wilson-Hilferty)."""
    z = 4.27
    return freedom * (1 - 2 / (9 * freedom) + z * math.sqrt(2 / (9 * freedom))) ** 3


@given(st.integers(0, 400), st.binary(min_size=32, max_size=32))
def test_every_number_gets_a_position_of_its_own(size: int, secret: bytes) -> None:
    draw = make_draw(secret, "cactus", size)
    assert sorted(draw.position(number) for number in range(1, size + 1)) == list(range(1, size + 1))
    assert draw.position(size + 1) == size + 1


def test_a_known_draw_stays_as_it_was_published() -> None:
    draw = make_draw(bytes(32), "cactus", 10)
    assert [draw.position(number) for number in range(1, 11)] == [3, 7, 8, 6, 2, 5, 4, 1, 10, 9]


@pytest.mark.parametrize("size", [2, 3, 5, 17])
def test_single_positions_are_uniform(size: int) -> None:
    seeds = 3_000
    for number in {1, 2, size}:
        counts = Counter(make_draw(seed(s), "cactus", size).position(number) for s in range(seeds))
        expected = seeds / size
        statistic = sum((counts[p] - expected) ** 2 / expected for p in range(1, size + 1))
        assert statistic < chi_square_bound(size - 1), (number, counts)


@pytest.mark.parametrize("size", [3, 5, 17])
def test_pairs_of_positions_are_uniform(size: int) -> None:
    seeds = 6_000
    counts: Counter[tuple[int, int]] = Counter()
    for s in range(seeds):
        draw = make_draw(seed(s), "cactus", size)
        counts[draw.position(1), draw.position(2)] += 1
    cells = size * (size - 1)
    expected = seeds / cells
    statistic = sum(
        (counts[a, b] - expected) ** 2 / expected
        for a in range(1, size + 1)
        for b in range(1, size + 1)
        if a != b
    )
    assert statistic < chi_square_bound(cells - 1)


def test_a_thousand_buyers_are_spread_over_the_whole_line() -> None:
    size, tenths, seeds = 1_000, 10, 400
    counts: Counter[tuple[int, int]] = Counter()
    for s in range(seeds):
        draw = make_draw(seed(s), "cactus", size)
        for number in (1, 2, 500, 999, 1000):
            counts[number, (draw.position(number) - 1) * tenths // size] += 1
    for number in (1, 2, 500, 999, 1000):
        expected = seeds / tenths
        statistic = sum((counts[number, tenth] - expected) ** 2 / expected for tenth in range(tenths))
        assert statistic < chi_square_bound(tenths - 1), number


def test_onsales_with_one_seed_are_drawn_apart() -> None:
    one, other = make_draw(seed(1), "cactus", 100), make_draw(seed(1), "dahlia", 100)
    assert [one.position(n) for n in range(1, 101)] != [other.position(n) for n in range(1, 101)]
