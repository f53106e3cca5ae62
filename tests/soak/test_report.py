"""What is said of a soak: each failure, and a page that tells of the run whose figures it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.figures import Figure
from tests.chaos.capacity import Capacity
from tests.chaos.verdict import Run
from tests.soak import __main__ as command
from tests.soak.__main__ import Soaked, figures
from tests.soak.drift import Sample
from tests.soak.report import failures, page
from tests.system.demo_builders import a_checkout
from tidegate.demo.figures import Evidence
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.records import BuyerRecord, Outcome, RateSample
from tidegate.demo.shapes import Kind

MACHINE = Figure("machine", 2, "processors", 1)
ADMITTED = BuyerRecord(1, Kind.PLAIN, 0.0, Outcome.SERVED, ((1, 1),), ((1, 1),), sessions=("one",))


def worker(kib_per_min: float = 0.0, files_per_min: float = 0.0) -> list[Sample]:
    """Ten minutes of a worker that grows by so much."""
    return [
        Sample(
            5.0 * step,
            "room worker 1",
            7,
            round((81920 + kib_per_min * step / 12) * 1024),
            70 + round(files_per_min * step / 12),
        )
        for step in range(121)
    ]


STAYS = worker(kib_per_min=3.0)


def soaked(samples: list[Sample], *buyers: BuyerRecord, **about: object) -> Soaked:
    """A sale of ten minutes in 1970."""
    run = Run(Evidence(list(buyers), [], [], []), 0.0, 10.0, Ceiling(16.0, burst=20), Capacity(160, 2.0, 20))
    return Soaked(samples, replace(run, **about), 10.0, [1.5, 3.0])


def test_a_sale_in_which_nothing_grows_has_nothing_said_against_it() -> None:
    assert failures(figures(soaked(STAYS, ADMITTED))) == []


def test_a_sale_that_lets_nobody_in_has_shown_nothing() -> None:
    waits = replace(ADMITTED, sessions=())
    assert failures(figures(soaked(STAYS, waits))) == ["nobody was let in, so nothing is shown"]


def test_a_sale_in_which_no_process_was_looked_at_has_shown_nothing() -> None:
    assert failures(figures(soaked([], ADMITTED))) == ["no process was looked at often enough"]


def test_what_is_beyond_its_limit_is_named_with_it() -> None:
    assert failures(figures(soaked(worker(kib_per_min=200.0), ADMITTED))) == [
        "soak_memory_growth of room worker 1: 200 KiB/min, at most 64"
    ]


@pytest.mark.parametrize(
    ("wronged", "name"),
    [
        ({"numbers": ((1, 1), (1, 2))}, "soak_lost_places: 1 buyers, at most 0 (buyer 1 "),
        ({"sessions": ("one", "two")}, "soak_double_claims: 1 buyers, at most 0 (buyer 1 "),
        ({"visits": (a_checkout(9.0, status=302),)}, "soak_turned_away: 1 buyers, at most 0 (buyer 1 "),
    ],
    ids=["lost", "twice", "turned away"],
)
def test_a_buyer_who_was_wronged_is_a_failure(wronged: dict[str, object], name: str) -> None:
    (failure,) = failures(figures(soaked(STAYS, replace(ADMITTED, **wronged))))
    assert failure.startswith(name)


def test_a_session_of_two_buyers_is_a_failure() -> None:
    other = replace(ADMITTED, buyer=2, numbers=((1, 2),), positions=())
    (failure,) = failures(figures(soaked(STAYS, ADMITTED, other)))
    assert failure == "soak_shared_sessions: 1 sessions, at most 0"


def test_a_traceback_in_a_log_is_a_failure() -> None:
    log = "room.1.log: ...\nTraceback (most recent call last)"
    (failure,) = failures(figures(soaked(STAYS, ADMITTED, tracebacks=[log])))
    assert failure == "soak_tracebacks: 1 logs, at most 0 (room.1.log: ... Traceback (most recent call last))"


def test_a_room_that_releases_what_the_shop_cannot_take_is_a_failure() -> None:
    rates = [RateSample(float(at_s), 60.0, 20, released=60 * at_s) for at_s in range(11)]
    (failure,) = failures(figures(soaked(STAYS, ADMITTED, evidence=Evidence([ADMITTED], [], rates, []))))
    assert failure.startswith("soak_over_admitted: 420 buyers, at most 0 (from 0.000 to 10.000, ")


def test_the_page_tells_of_the_run_and_of_each_process() -> None:
    text = page([MACHINE, *figures(soaked(STAYS, ADMITTED))])
    assert "| room worker 1 | 80.0 | 80.0 | 80.0 | +3 | 70 | 0 |" in text
    assert "`python -m tests.soak --minutes 10`, 1970-01-01; 2 cores, load average 1.5 to 3.0" in text
    assert "1 buyers came and 1 were let in. Counted as [there](chaos.md), though" in text
    assert "*lost* 0, *twice* 0" in text
    assert "*processes that died* 0" in text
    assert "All was as it has to be." in text


def test_the_page_says_which_leak_would_not_be_found_out() -> None:
    crowd = [replace(ADMITTED, buyer=number, sessions=(str(number),)) for number in range(10_240)]
    text = page([MACHINE, *figures(soaked(STAYS, *crowd))])
    assert "A worker meets 512 buyers a minute here, so that is 128 bytes of each: **a worker" in text
    assert "most (room worker 1), is 64 KiB a minute, 128 bytes for each buyer of a worker: " in text
    assert "every 1,024 buyers of a worker, 30 an hour, would pass." in text


def test_the_page_marks_what_grows() -> None:
    text = page([MACHINE, *figures(soaked(worker(200.0, files_per_min=1.0), ADMITTED))])
    assert (
        "| room worker 1 **grows** **leaves files open** | 80.0 | 81.0 | 82.0 | +200 | 80 | +1.02 |" in text
    )
    assert "**Not as it has to be: soak_memory_growth of room worker 1: 200 KiB/min, at most 64; " in text


@pytest.mark.parametrize(("growth", "status"), [(3.0, 0), (200.0, 1)], ids=["stays", "grows"])
def test_a_run_that_is_over_is_reported_from_its_lines(growth: float, status: int, tmp_path: Path) -> None:
    found = [MACHINE, *figures(soaked(worker(growth), ADMITTED))]
    record, report = tmp_path / "soak.json", tmp_path / "soak.md"
    record.write_text("".join(figure.to_json() + "\n" for figure in found))
    assert command.main(["--from", str(record), "--report", str(report)]) == status
    assert report.read_text() == page(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "/nowhere"], "argument --from: cannot read /nowhere: No such file or directory"),
        (["--json", "/no/such"], "argument --json: cannot write /no/such: there is no folder /no"),
        (["--report", "/"], "argument --report: cannot write /: it is a folder"),
        (["--minutes", "0"], "argument --minutes: must be above 0, found 0"),
        (
            ["--from", "/dev/null"],
            "argument --from: /dev/null lacks the figure ('soak_minutes', ''); it is of another version",
        ),
        (["--from", __file__], f"argument --from: {__file__}: line 1 is no figure: "),
    ],
    ids=["no file", "no folder", "a folder", "no time", "no figures", "no lines of ours"],
)
def test_what_cannot_be_used_is_refused_before_the_sale(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err
