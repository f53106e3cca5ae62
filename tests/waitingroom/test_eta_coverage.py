"""What buyers are told of their wait holds: counted over whole sales in virtual time, disturbances included."""

from functools import cache

import pytest

from tests.waitingroom.eta_runs import RUNS, Outcome, Run, play, smaller
from waitingroom.slowdown import Cause

NAMED = {run.name: run for run in RUNS}
PROMISED = 0.80
USEFUL_WIDTH = 1.0
"""Ends a factor of three apart."""


@cache
def played(name: str) -> Outcome:
    """Play a run at a tenth of its size."""
    return play(smaller(NAMED[name], 10))


@pytest.mark.parametrize("run", RUNS, ids=[run.name for run in RUNS])
def test_four_in_five_waits_end_within_the_first_range_told_and_within_later_ones(run: Run) -> None:
    outcome = played(run.name)
    assert outcome.buyers >= 0.95 * run.buyers / 10
    assert outcome.first >= PROMISED
    assert outcome.later >= PROMISED
    assert outcome.width <= USEFUL_WIDTH


@pytest.mark.parametrize("seed", [2, 3])
def test_it_holds_for_other_crowds_and_other_times_of_trouble(seed: int) -> None:
    pause = Run("pause", hold=(400.0, 520.0), tail_s=900.0, seed=seed)
    assert play(smaller(pause, 10)).first >= PROMISED
    slow = Run("steady", rate=4.0, buyers=1_000, burst=4, seed=seed)
    assert play(slow).first >= PROMISED


@pytest.mark.parametrize(
    ("name", "cause"),
    [("halved", Cause.FEWER_SERVERS), ("pause", Cause.HELD), ("capacity", Cause.SHOP_FULL)],
)
def test_a_wait_that_has_grown_comes_with_its_cause_and_no_other(name: str, cause: Cause) -> None:
    assert played(name).grown == {cause.value}


@pytest.mark.parametrize("name", ["steady", "ramp", "no_shows", "draw"])
def test_where_nothing_slows_down_no_cause_is_named(name: str) -> None:
    assert played(name).grown == frozenset()
