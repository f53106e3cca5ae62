"""What is told of sales that went wrong: the worst of each fault, what could not be done, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import __main__ as command
from tests.chaos.effects import Effect
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.report import Played, Setting, line_of, page, read_line, setting_now, told
from tests.chaos.verdict import Verdict, Violation

GOOD = Verdict((), 0, 0, 0, 0, 16.0, 0.5, 1.25, 0.75, 97, Effect(True, "1 of 1 processes stood still"))
BROKEN = replace(
    GOOD,
    violations=(Violation("no place is lost", 2, ("buyer 3", "buyer 7")),),
    lost_places=2,
    recovery_s=4.0,
)
IDLE = replace(
    GOOD,
    violations=(Violation("the fault takes hold", 1, ("it did not: 0 of 1 processes stood still",)),),
    effect=Effect(False, "0 of 1 processes stood still"),
)
FROZEN = FAULTS["store-frozen"]
QUIET = Setting("2026-01-02", "2 cores, Linux, Python 3.11.7", 1.5)
BUSY = replace(QUIET, date="2026-01-03", load=24.0)


def test_of_several_seeds_the_worst_counts() -> None:
    text = page(
        [Played(FROZEN, 1, GOOD), Played(FROZEN, 2, replace(GOOD, recovery_s=3.0, share_during=0.25))], "it"
    )
    (row,) = [line for line in text.splitlines() if line.startswith("| `")]
    assert row.endswith("| 25% | 0.8 s | 3.0 s | 97 | 0 | 0 | 0 | 0 |")
    assert "| 1, 2 | 25% |" in row
    assert "it 2 sales; " in text


def test_a_recovery_that_could_not_be_measured_is_the_worst() -> None:
    text = page([Played(FROZEN, 1, GOOD), Played(FROZEN, 2, replace(GOOD, recovery_s=None))], "it")
    assert "| 50% | 0.8 s | - | 97 | 0 |" in text


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
        Played(FROZEN, 3, broken_off="it died", kept_in="/tmp/kept"),
        Played(FROZEN, 3, IDLE),
        Played(FROZEN, 3, BROKEN, setting=BUSY, replaced="the crowd was too small"),
    ],
    ids=["held", "broken", "skipped", "broken off", "idle", "replaced"],
)
def test_what_was_written_down_is_read_as_it_was(one: Played) -> None:
    assert read_line(line_of(one)) == one


def test_the_longest_standstill_of_several_seeds_counts() -> None:
    sales = [Played(FROZEN, 1, replace(GOOD, first_turn_s=1.5)), Played(FROZEN, 2, GOOD)]
    assert "| 1, 2 | 50% | 1.5 s | 1.2 s |" in page(sales, "it")
    assert "first turn after 1.5 s, back after 1.2 s" in told(sales[0])


def test_of_a_sale_whose_line_is_older_it_is_told_what_was_not_measured() -> None:
    fields = json.loads(line_of(Played(FROZEN, 1, GOOD)))
    for name in ("first_turn_s", "most_inside", "took_hold", "seen_of_fault"):
        del fields[name]
    older = read_line(json.dumps(fields))
    assert older == Played(FROZEN, 1, replace(GOOD, first_turn_s=None, most_inside=None, effect=None))
    text = page([older, Played(FROZEN, 2, GOOD)], "it")
    assert "| not looked at | 1, 2 | 50% | not measured | 1.2 s | not measured | 0 |" in text


def test_what_shows_that_the_fault_took_hold_stands_in_page_and_line() -> None:
    one = Played(FROZEN, 1, GOOD)
    assert "| 1 of 1 processes stood still | 1 | 50% |" in page([one], "it")
    assert "seed 1: held; 1 of 1 processes stood still; released meanwhile 50%" in told(one)
    fields = json.loads(line_of(one))
    assert (fields["took_hold"], fields["seen_of_fault"]) == (True, "1 of 1 processes stood still")


def test_a_fault_that_did_not_take_hold_is_told_of_whatever_the_other_seeds_saw() -> None:
    sales = [Played(FROZEN, 1, GOOD), Played(FROZEN, 2, IDLE)]
    text = page(sales, "it")
    assert "**Broken: the fault takes hold.** | 0 of 1 processes stood still | 1, 2 |" in text
    assert "seed 2: the fault takes hold: 1 times (it did not: 0 of 1 processes stood still)." in text
    assert "seed 2: FAULT DID NOT TAKE HOLD; 0 of 1 processes stood still;" in told(sales[1])
    assert json.loads(line_of(sales[1]))["held"] is False


def test_the_page_says_what_a_recovery_does_not_show_and_how_closely_was_looked() -> None:
    text = page([Played(FROZEN, 1, GOOD)], "it")
    assert "A bucket that was full makes up for a standstill of up to 1.55 s, which shows" in text
    assert (
        "looked at 5 times a second, so that this reads up to two looks longer than it was (0.4 s where"
        in text
    )


def test_a_page_of_several_runs_names_no_command_that_made_it(tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file, seed in zip(files, (1, 2), strict=True):
        file.write_text(line_of(Played(FROZEN, seed, GOOD)) + "\n")
    report = tmp_path / "chaos.md"
    assert command.main(["--add", *map(str, files), "--report", str(report)]) == 0
    text = report.read_text()
    assert (
        "Put together from the records of several runs (`--add`). **No sale was played with `store-killed`, "
        in text
    )
    assert "`rolling-restart`.** 2 sales;" in text
    assert "Played by" not in text


def test_the_page_tells_how_busy_the_machine_was_in_each_sale() -> None:
    text = page([Played(FROZEN, 1, GOOD, setting=QUIET), Played(FROZEN, 2, GOOD, setting=BUSY)], "it")
    said = "2 cores, Linux, Python 3.11.7; 2026-01-02, 2026-01-03; load average in the last minute of each 1.5 to 24.0."
    assert f"it 2 sales; {said}" in text
    known_of_one = page([Played(FROZEN, 1, GOOD, setting=QUIET), Played(FROZEN, 2, GOOD)], "it")
    assert "of each 1.5; the load was not written down for 1 of them." in known_of_one


def test_a_sale_that_was_replaced_is_told_of_and_does_not_count(tmp_path: Path) -> None:
    sales = [Played(FROZEN, 1, BROKEN, replaced="the crowd was too small"), Played(FROZEN, 1, GOOD)]
    text = page(sales, "it")
    assert "| 1 | 50% | 0.8 s | 1.2 s | 97 | 0 | 0 | 0 | 0 |" in text
    assert (
        "- `store-frozen`, seed 1: no place is lost: 2 times (buyer 3). Not counted above: the crowd was too small."
        in text
    )
    record = tmp_path / "sales.json"
    record.write_text("".join(line_of(one) + "\n" for one in sales))
    assert command.main(["--add", str(record)]) == 0


def test_every_sale_that_did_not_hold_is_listed() -> None:
    text = page([Played(FROZEN, 1, GOOD), Played(FROZEN, 2, broken_off="it died\n  of this")], "it")
    assert "**1 of 2 were broken off.** | 1 of 1 processes stood still | 1, 2 |" in text
    assert "- `store-frozen`, seed 2: broken off: it died.\n" in text
    assert "Every sale that was played held." in page([Played(FROZEN, 1, GOOD)], "it")


def played_at_once(monkeypatch: pytest.MonkeyPatch, verdict: Verdict, each_takes_s: float = 0.0) -> None:
    """Have sales played in no time, by a clock which they move."""
    now = [0.0]

    def play(fault: Fault, seed: int, keep: Path | None) -> Played:
        now[0] += each_takes_s
        return Played(fault, seed, verdict, setting=setting_now())

    monkeypatch.setattr(command, "_play", play)
    monkeypatch.setattr(command, "monotonic", lambda: now[0])


def test_a_run_that_played_all_names_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played_at_once(monkeypatch, GOOD)
    report = tmp_path / "chaos.md"
    skipped = ["--skip", "disk-full", "store-slow"]
    assert command.main(["--seeds", "3", "4", *skipped, "--report", str(report)]) == 0
    sales = 2 * (len(FAULTS) - 2)
    text = report.read_text()
    assert (
        f"Played by `python -m tests.chaos --seeds 3 4 --skip disk-full store-slow`. {sales} sales;" in text
    )
    assert "| `disk-full`" not in text


def test_no_fault_begins_after_the_time_and_page_and_last_line_say_which_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    played_at_once(monkeypatch, GOOD, each_takes_s=40.0)
    report, record = tmp_path / "chaos.md", tmp_path / "sales.json"
    only = ["--only", "store-frozen", "gate-frozen"]
    options = ["--seeds", "1", "2", *only, "--minutes", "1", "--report", str(report), "--json", str(record)]
    assert command.main(options) == 1
    assert [(one.fault.name, one.seed) for one in map(read_line, record.read_text().splitlines())] == [
        ("store-frozen", 1),
        ("gate-frozen", 1),
    ]
    assert (
        "--only store-frozen gate-frozen --minutes 1`. **It ended before all were played; "
        "missing: `store-frozen` with seed 2, `gate-frozen` with seed 2.** 2 sales;" in report.read_text()
    )
    assert capsys.readouterr().out.splitlines()[-1] == (
        "NOT PLAYED: store-frozen with seed 2 (the time was up), gate-frozen with seed 2 (the time was up)"
    )


def test_a_fault_that_cannot_be_done_here_is_told_with_its_reason() -> None:
    one = Played(FAULTS["disk-full"], 1, skipped="no root")
    assert "skipped: no root" in told(one)
    text = page([one], "it")
    assert "| no root |" in text
    assert "Every sale that was played held." in text
    assert not one.held


def test_a_fault_that_could_not_be_done_has_shown_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    record = tmp_path / "sales.json"
    said = "NOT PLAYED: disk-full with seed 1 (a small disk can only be mounted by root, with unshare)"
    assert command.main(["--only", "disk-full", "--json", str(record)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == said
    assert command.main(["--add", str(record)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == said


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of arguments that are refused before anything is played."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1].partition("error: ")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "store-full", "--skip", "store-full"],
            "nothing is left to play: --skip leaves out all that --only names",
        ),
        (["--minutes", "0"], "argument --minutes: must be above 0, found 0"),
        (["--minutes", "nan"], "argument --minutes: must be above 0, found nan"),
        (
            ["--json", "/nowhere/at/all"],
            "argument --json: cannot write /nowhere/at/all: there is no folder /nowhere/at",
        ),
        (["--report", "/"], "argument --report: cannot write /: it is a folder"),
        (["--add", "/nowhere"], "argument --add: cannot read /nowhere: No such file or directory"),
        (["--add", "/dev/null"], "argument --add: there is no sale in these files"),
        (["--keep", "/dev/null"], "argument --keep: cannot make the folder /dev/null: File exists"),
    ],
    ids=[
        *(
            "no fault",
            "no time",
            "not a time",
            "no folder",
            "a folder",
            "no file",
            "no sale",
            "no folder to keep",
        ),
    ],
)
def test_what_would_show_nothing_or_fail_at_the_end_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(arguments, capsys) == message


def test_what_was_kept_of_another_run_is_not_written_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "store-full-1").mkdir()
    message = f"argument --keep: {tmp_path}/store-full-1 is there already, from another run"
    assert refused(["--only", "store-full", "--keep", str(tmp_path)], capsys) == message


def test_a_line_that_tells_of_no_sale_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = tmp_path / "sales.json"
    record.write_text(line_of(Played(FROZEN, 1, GOOD)) + '\n{"fault": "flood"}\n')
    message = f"argument --add: {record}:2 tells of no sale that is known here: 'flood'"
    assert refused(["--add", str(record)], capsys) == message


def end_at_once(folder: Path, outcome: Played | BaseException) -> Callable[[Path, Fault, int], Played]:
    """Have a sale end so, after it has logged something; `folder` is where such folders are made."""

    def play_in(place: Path, fault: Fault, seed: int) -> Played:
        assert place.parent == folder
        (place / "room.1.log").write_text("the room's last words")
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return play_in


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where folders of sales are made which are to be removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "outcome",
    [Played(FROZEN, 1, BROKEN), Played(FROZEN, 1, broken_off="store ended with status 1\n  of this")],
    ids=["broken", "broken off"],
)
def test_the_logs_of_a_sale_that_did_not_hold_are_kept_and_their_folder_is_named(
    outcome: Played,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    temporary: Path,
) -> None:
    monkeypatch.setattr(command, "_play_in", end_at_once(temporary, outcome))
    record, report = temporary / "sales.json", temporary / "chaos.md"
    options = ["--only", "store-frozen", "--json", str(record), "--report", str(report)]
    assert command.main(options) == 1
    kept = json.loads(record.read_text())["kept_in"]
    assert (Path(kept) / "room.1.log").read_text() == "the room's last words"
    assert f"kept in {kept}" in capsys.readouterr().out
    assert f"Its logs and records: `{kept}`." in report.read_text()


def test_the_logs_of_a_sale_that_held_are_removed(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setattr(command, "_play_in", end_at_once(temporary, Played(FROZEN, 1, GOOD)))
    assert command.main(["--only", "store-frozen"]) == 0
    assert list(temporary.iterdir()) == []


def test_all_logs_are_kept_where_one_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep = tmp_path / "here"
    monkeypatch.setattr(command, "_play_in", end_at_once(keep, Played(FROZEN, 1, GOOD)))
    record = tmp_path / "sales.json"
    assert command.main(["--only", "store-frozen", "--keep", str(keep), "--json", str(record)]) == 0
    assert json.loads(record.read_text())["kept_in"] == str(keep / "store-frozen-1")
    assert (keep / "store-frozen-1" / "room.1.log").exists()


def test_whoever_ends_a_sale_finds_its_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    monkeypatch.setattr(command, "_play_in", end_at_once(temporary, SystemExit(143)))
    with pytest.raises(SystemExit):
        command.main(["--only", "store-frozen"])
    (kept,) = temporary.iterdir()
    assert capsys.readouterr().err == f"store-frozen with seed 1 was not played to its end; kept in {kept}\n"


def test_a_sale_that_was_broken_off_has_not_held() -> None:
    one = Played(FROZEN, 1, broken_off="store ended with status 1")
    assert not one.held
    assert "BROKEN OFF: store ended with status 1" in told(one)


@pytest.mark.parametrize(("verdict", "status"), [(GOOD, 0), (BROKEN, 1)], ids=["held", "broken"])
def test_the_exit_status_tells_whether_all_was_kept(
    verdict: Verdict, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played_at_once(monkeypatch, verdict)
    assert command.main(["--only", "store-frozen", "--seeds", "1", "2"]) == status
    assert capsys.readouterr().out.count("store-frozen") == 2


def test_a_small_disk_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert FAULTS["disk-full"].skip() == "a small disk can only be mounted by root, with unshare"
    assert FROZEN.skip() == ""
