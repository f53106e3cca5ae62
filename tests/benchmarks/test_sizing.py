"""The sizing table follows from what was measured, by the poll budget that the room itself keeps to."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.benchmarks.sizing import (
    BEGIN,
    BUSY,
    END,
    FEWEST,
    FRAME_SHARE,
    PAGE,
    ROWS,
    Costs,
    between_markers,
    measure,
    report,
    table,
)
from tests.benchmarks.versus import Effort
from waitingroom.polling import asking_for
from waitingroom.web import audience

COSTS = Costs(
    status_s=60e-6,
    join_s=120e-6,
    frame_s=12e-6,
    idle_share=0.012,
    process_bytes=80 * 2**20,
    listener_bytes=10 * 1024,
    buyer_bytes=0.5,
)


def cells(costs: Costs, waiting: int, budget: int) -> list[str]:
    (row,) = table(costs, [(waiting, budget)]).splitlines()[2:]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_is_computed_from_the_costs() -> None:
    waiting, budget, last, joins, polls, listeners, memory, store = cells(COSTS, 100_000, 5_000)
    assert (waiting, budget) == ("100,000", "5,000/s")
    assert last == f"{asking_for(100_000, 5_000).interval_s(100_000):.0f} s"
    # Whoever has joined asks as well. None of the two takes more than the fewest processes, which cost something by themselves.
    assert joins == f"{(100_000 / 60 * 120e-6 + 5_000 * 60e-6 + FEWEST * 0.012) / BUSY:.1f}"
    assert polls == f"{(5_000 * 60e-6 + FEWEST * 0.012) / BUSY:.1f}"
    assert listeners == "5"  # 1.2 s of processor time a frame, a quarter of a processor each
    assert memory == "977 MB"
    assert store == "1 MB"


def test_each_process_that_it_takes_costs_something_at_rest() -> None:
    used = 50_000 * 60e-6
    assert math.ceil(used / BUSY) > FEWEST
    dear = replace(COSTS, idle_share=0.3)
    assert cells(dear, 1_000_000, 50_000)[4] == f"{(used + math.ceil(used / BUSY) * 0.3) / BUSY:.1f}"


def test_frames_have_the_share_which_a_process_gives_them() -> None:
    assert audience._SHARE == FRAME_SHARE


def test_a_short_line_does_not_use_the_budget_up() -> None:
    assert cells(COSTS, 1_000, 100_000)[4] == f"{(2_000 * 60e-6 + FEWEST * 0.012) / BUSY:.1f}"


def test_the_report_names_machine_day_and_command() -> None:
    text = report(COSTS, datetime(2026, 11, 25, tzinfo=UTC), "2 processors (X), Python 3.11")
    assert "2026-11-25 on 2 processors (X), Python 3.11, by `make sizing`" in text
    assert "at 1,000/s of one process a status takes 60 µs" in text
    assert "1.2% of a core when nobody asks" in text
    assert text.count("\n| ") == 2 + len(ROWS)


def test_the_table_replaces_what_stands_between_the_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert between_markers(page, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="the page has no"):
        between_markers("no markers", "new\n")


def test_the_page_has_a_table_for_each_row() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert "by `make sizing`" in shown
    for waiting, budget in ROWS:
        assert f"| {waiting:,} | {budget:,}/s |" in shown


@pytest.mark.slow
def test_all_costs_are_measured() -> None:
    costs = measure(Effort(2, 0.2, 4), listeners=20, buyers=2_000)
    assert 0 < costs.status_s < 1
    assert 0 < costs.join_s < 1
    assert 0 <= costs.frame_s < 1
    assert 0 < costs.idle_share < 1
    assert costs.process_bytes > 1_000_000
