"""What is said of a soak: each failure, and a page that tells of the run whose figures it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.figures import Figure
from tests.soak import __main__ as command
from tests.soak.__main__ import Soaked, figures
from tests.soak.drift import Drift
from tests.soak.report import failures, page
from tidegate.demo.figures import Evidence
from tidegate.demo.records import BuyerRecord, Outcome
from tidegate.demo.shapes import Kind

STAYS = Drift("room worker 1", 120, 81920.0, 92160.0, 92192.0, 3.0, 70, 0.0)
MACHINE = Figure("machine", 2, "processors", 1)
ADMITTED = BuyerRecord(1, Kind.PLAIN, 0.0, Outcome.SERVED, ((1, 1),), ((1, 1),), sessions=("one",))


def soaked(found: list[Drift], *buyers: BuyerRecord) -> Soaked:
    """A sale of ten minutes in 1970."""
    return Soaked(found, Evidence(list(buyers), [], [], []), 0.0, 10.0, [1.5, 3.0])


def test_a_sale_in_which_nothing_grows_has_nothing_said_against_it() -> None:
    assert failures(figures(soaked([STAYS], ADMITTED))) == []


def test_a_sale_that_lets_nobody_in_has_shown_nothing() -> None:
    waits = replace(ADMITTED, sessions=())
    assert failures(figures(soaked([STAYS], waits))) == ["nobody was let in, so nothing is shown"]


def test_a_sale_in_which_no_process_was_looked_at_has_shown_nothing() -> None:
    assert failures(figures(soaked([], ADMITTED))) == ["no process was looked at often enough"]


def test_what_is_beyond_its_limit_is_named_with_it() -> None:
    grows = replace(STAYS, memory_kib_per_min=200.0)
    assert failures(figures(soaked([grows], ADMITTED))) == [
        "soak_memory_growth of room worker 1: 200 KiB/min, at most 128"
    ]


def test_a_lost_place_is_a_failure() -> None:
    renumbered = replace(ADMITTED, numbers=((1, 1), (1, 2)))
    assert failures(figures(soaked([STAYS], renumbered))) == ["soak_lost_places: 1 buyers, at most 0"]


def test_the_page_tells_of_the_run_and_of_each_process() -> None:
    text = page([MACHINE, *figures(soaked([STAYS], ADMITTED))])
    assert "| room worker 1 | 80.0 | 90.0 | 90.0 | +3 | 70 | 0 |" in text
    assert "`python -m tests.soak --minutes 10`, 1970-01-01; 2 cores, load average 1.5 to 3.0" in text
    assert "1 buyers came and 1 were let in. Counted as [there](chaos.md): *lost* 0, *twice* 0" in text
    assert "All was as it has to be." in text


def test_the_page_marks_what_grows() -> None:
    grows = replace(STAYS, memory_kib_per_min=200.0, files_per_min=1.0)
    text = page([MACHINE, *figures(soaked([grows], ADMITTED))])
    assert (
        "| room worker 1 **grows** **leaves files open** | 80.0 | 90.0 | 90.0 | +200 | 70 | +1.00 |" in text
    )
    assert "**Not as it has to be: soak_memory_growth of room worker 1: 200 KiB/min, at most 128; " in text


@pytest.mark.parametrize(("growth", "status"), [(3.0, 0), (200.0, 1)], ids=["stays", "grows"])
def test_a_run_that_is_over_is_reported_from_its_lines(growth: float, status: int, tmp_path: Path) -> None:
    found = [MACHINE, *figures(soaked([replace(STAYS, memory_kib_per_min=growth)], ADMITTED))]
    record, report = tmp_path / "soak.json", tmp_path / "soak.md"
    record.write_text("".join(figure.to_json() + "\n" for figure in found))
    assert command.main(["--from", str(record), "--report", str(report)]) == status
    assert report.read_text() == page(found)
