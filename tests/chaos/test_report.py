"""What is told of sales that went wrong: the worst of each fault, what could not be done, and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import __main__ as command
from tests.chaos.faults import FAULTS
from tests.chaos.report import Played, line_of, page, read_line, told
from tests.chaos.verdict import Verdict, Violation

GOOD = Verdict((), 0, 0, 0, 0, 16.0, 0.5, 1.25)
BROKEN = replace(
    GOOD,
    violations=(Violation("no place is lost", 2, ("buyer 3", "buyer 7")),),
    lost_places=2,
    recovery_s=4.0,
)
FROZEN = FAULTS["store-frozen"]


def test_of_several_seeds_the_worst_counts() -> None:
    text = page(
        [Played(FROZEN, 1, GOOD), Played(FROZEN, 2, replace(GOOD, recovery_s=3.0, share_during=0.25))], "it"
    )
    (row,) = [line for line in text.splitlines() if line.startswith("| `")]
    assert row.endswith("| 25% | 3.0 s | 0 | 0 | 0 | 0 |")
    assert "| 1, 2 | 25% |" in row
    assert ", 2 sales; " in text


def test_a_recovery_that_could_not_be_measured_is_the_worst() -> None:
    text = page([Played(FROZEN, 1, GOOD), Played(FROZEN, 2, replace(GOOD, recovery_s=None))], "it")
    assert "| 50% | - | 0 |" in text


def test_a_broken_promise_stands_in_the_page_and_in_the_line() -> None:
    one = Played(FROZEN, 1, BROKEN)
    assert "**Broken: no place is lost.**" in page([one], "it")
    assert told(one).splitlines()[1:] == [
        "  BROKEN: no place is lost: 2 times",
        "      buyer 3",
        "      buyer 7",
    ]
    assert json.loads(line_of(one))["violations"] == [
        {"promise": "no place is lost", "count": 2, "evidence": ["buyer 3", "buyer 7"]}
    ]


@pytest.mark.parametrize(
    "one",
    [
        Played(FROZEN, 3, GOOD),
        Played(FROZEN, 3, BROKEN),
        Played(FROZEN, 3, skipped="no root"),
        Played(FROZEN, 3, broken_off="it died"),
    ],
    ids=["held", "broken", "skipped", "broken off"],
)
def test_what_was_written_down_is_read_as_it_was(one: Played) -> None:
    assert read_line(line_of(one)) == one


def test_sales_of_several_runs_make_one_page(tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file, seed in zip(files, (1, 2), strict=True):
        file.write_text(line_of(Played(FROZEN, seed, GOOD)) + "\n")
    report = tmp_path / "chaos.md"
    assert command.main(["--add", *map(str, files), "--report", str(report)]) == 0
    assert "`python -m tests.chaos --seeds 1 2`" in report.read_text()
    assert ", 2 sales; " in report.read_text()


def test_a_fault_that_cannot_be_done_here_is_told_with_its_reason() -> None:
    one = Played(FAULTS["disk-full"], 1, skipped="no root")
    assert "skipped: no root" in told(one)
    assert "| no root |" in page([one], "it")
    assert one.held


def test_a_sale_that_was_broken_off_has_not_held() -> None:
    one = Played(FROZEN, 1, broken_off="store ended with status 1")
    assert not one.held
    assert "BROKEN OFF: store ended with status 1" in told(one)


@pytest.mark.parametrize(("verdict", "status"), [(GOOD, 0), (BROKEN, 1)], ids=["held", "broken"])
def test_the_exit_status_tells_whether_all_was_kept(
    verdict: Verdict, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_play", lambda fault, seed, keep: Played(fault, seed, verdict))
    assert command.main(["--only", "store-frozen", "--seeds", "1", "2"]) == status
    assert capsys.readouterr().out.count("store-frozen") == 2


def test_a_small_disk_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert FAULTS["disk-full"].skip() == "a small disk can only be mounted by root, with unshare"
    assert FROZEN.skip() == ""
