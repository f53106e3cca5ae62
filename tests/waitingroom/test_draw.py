"""P7: the draw is a permutation, and uniform over many seeds."""

import hashlib
import math
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from itertools import combinations
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitingroom.draw import make_draw

SIZES = [1, 2, 3, 5, 17, 1_000]
SEEDS = 3_000

Positions: TypeAlias = Mapping[int, int]


def seed(number: int) -> bytes:
    return hashlib.sha256(b"test seed %d" % number).digest()


def chi_square_bound(freedom: int) -> float:
    """Return a bound which a chi-square variable of `freedom` degrees passes about once in 10^5 (Wilson-Hilferty)."""
    if not freedom:
        return 0.0
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


@cache
def drawn(size: int) -> list[Positions]:
    """Draw with many seeds; returns where some numbers were drawn to each time."""
    draws = (make_draw(seed(s), "cactus", size) for s in range(SEEDS))
    return [{number: draw.position(number) for number in numbers_of(size)} for draw in draws]


def numbers_of(size: int) -> list[int]:
    """Choose the numbers that are looked at: the first and the last two, and one in the middle."""
    return sorted({number for number in (1, 2, size // 2, size - 1, size) if 1 <= number <= size})


def parts_of(size: int) -> int:
    """Return in how many parts a line is looked at: a long one in tenths, as pairs of positions are too many to count."""
    return size if size <= 17 else 10


def single_is_even(draws: Iterable[Positions], size: int, number: int) -> bool:
    """Whether every position is as likely for a number as any other."""
    parts = parts_of(size)
    found = [(positions[number] - 1) * parts // size for positions in draws]
    return is_even(found, dict.fromkeys(range(parts), 1 / parts))


def pair_is_even(draws: Iterable[Positions], size: int, one: int, other: int) -> bool:
    """Whether every pair of positions is as likely for two numbers as any other; nobody shares a position."""
    parts = parts_of(size)
    found = [tuple((positions[number] - 1) * parts // size for number in (one, other)) for positions in draws]
    held = size // parts
    ways = {(a, b): held * (held - (a == b)) for a in range(parts) for b in range(parts)}
    return is_even(found, {pair: count / (size * (size - 1)) for pair, count in ways.items() if count})


def is_even(found: Iterable[Hashable], chances: Mapping[Any, float]) -> bool:
    """Whether chance explains by how much the counts of what was found differ from what their chances say."""
    counts = Counter(found)
    assert counts.keys() <= chances.keys(), "what was found has no chance to be"
    wanted = {cell: counts.total() * chance for cell, chance in chances.items()}
    statistic = sum((counts[cell] - count) ** 2 / count for cell, count in wanted.items())
    return statistic <= chi_square_bound(len(chances) - 1)


@pytest.mark.parametrize("size", SIZES)
def test_single_positions_are_uniform(size: int) -> None:
    assert all(single_is_even(drawn(size), size, number) for number in numbers_of(size))


@pytest.mark.parametrize("size", SIZES[1:])
def test_pairs_of_positions_are_uniform(size: int) -> None:
    assert all(pair_is_even(drawn(size), size, *pair) for pair in combinations(numbers_of(size), 2))


@pytest.mark.parametrize("size", SIZES[2:])
def test_a_line_that_is_only_turned_is_found_out_by_its_pairs(size: int) -> None:
    """It brings everybody anywhere, and leaves together who came together."""
    dice = random.Random(1)
    turns = [dice.randrange(size) for _ in range(SEEDS)]
    turned = [{number: (number - 1 + turn) % size + 1 for number in numbers_of(size)} for turn in turns]
    assert all(single_is_even(turned, size, number) for number in numbers_of(size))
    assert not any(pair_is_even(turned, size, *pair) for pair in combinations(numbers_of(size), 2))


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_line_that_is_left_as_it_came_is_found_out(size: int) -> None:
    left = [{number: number for number in numbers_of(size)}] * SEEDS
    assert not any(single_is_even(left, size, number) for number in numbers_of(size))


def test_onsales_with_one_seed_are_drawn_apart() -> None:
    one, other = make_draw(seed(1), "cactus", 100), make_draw(seed(1), "dahlia", 100)
    assert [one.position(n) for n in range(1, 101)] != [other.position(n) for n in range(1, 101)]
