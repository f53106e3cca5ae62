"""Every benchmark runs, at a tiny size, and what must be nought is nought. How fast anything is isn't asked here."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, arguments_of, main
from tests.benchmarks.admission import admission
from tests.benchmarks.figures import Figure
from tests.benchmarks.loop import peaks
from tests.benchmarks.sizes import TINY
from tests.standstill import Watch
from tests.tools import need
from tidegate.bench.outcome import MUST_BE_NOUGHT

STANDSTILL_S = 0.25
"""A bucket takes a second or more to run over: a shorter standstill in a test's process is no sign that all were kept so long."""


def run(name: str, folder: Path, *more: str) -> dict[str, dict[str, Any]]:
    main([name, *arguments_of(TINY), *more, "--json", str(folder / "figures")])
    figures = [json.loads(line) for line in (folder / "figures").read_text().splitlines()]
    assert all({"name", "value", "unit", "baseline", "ratio", "n"} <= figure.keys() for figure in figures)
    return {figure["name"]: figure for figure in figures}


@pytest.mark.parametrize(
    ("benchmark", "names"),
    [
        ("join", {"join_rps_ratio", "join_cpu_ratio", "join_vs_sorted_set"}),
        (
            "gate",
            {f"gate_{part}_{measure}_ratio" for part in ("auth", "check") for measure in ("rps", "cpu")},
        ),
    ],
)
def test_a_handler_is_held_against_a_bare_one(benchmark: str, names: set[str], tmp_path: Path) -> None:
    figures = run(benchmark, tmp_path)
    assert set(figures) == names
    assert all(figure["ratio"] > 0 and figure["n"] > 0 for figure in figures.values())


def test_a_status_never_touches_the_store(tmp_path: Path) -> None:
    figures = run("status", tmp_path)
    assert set(figures) == {
        "status_rps_ratio",
        "status_cpu_ratio",
        "status_store_calls",
        "status_vs_sorted_set",
    }
    assert figures["status_vs_sorted_set"]["ratio"] > 0
    assert figures["status_store_calls"]["value"] == 0


def test_p1_a_waiting_buyer_costs_the_store_less_than_a_byte(tmp_path: Path) -> None:
    # Of fewer buyers, what the store needs once and for all is most of it.
    figures = run("memory", tmp_path, "--buyers", "100000")
    assert set(figures) == {"store_bytes_per_waiting_buyer"}
    assert figures["store_bytes_per_waiting_buyer"]["value"] < 1
    assert figures["store_bytes_per_waiting_buyer"]["baseline"] > 50


def test_several_processes_together_release_what_the_rate_allows_and_no_more() -> None:
    for _ in range(3):
        with Watch() as watch:
            # Not by the command, which ends with a status at the first shortfall, whatever it came of.
            figures = {figure.name: figure.value for figure in admission(TINY.seconds)}
        assert set(figures) == {"admission_over", "admission_shortfall"}
        assert figures["admission_over"] == 0
        shortfall = figures["admission_shortfall"]
        # Where the machine stood still, no process called meanwhile, and the bucket may have run over: that tells nothing.
        if shortfall <= 0.01 or watch.longest_s < STANDSTILL_S:
            break
    assert shortfall <= 0.01, f"{shortfall}, and the longest standstill took {watch.longest_s:.2f} s"


def test_a_decision_is_held_against_a_bare_ratio(tmp_path: Path) -> None:
    figures = run("decide", tmp_path)
    assert set(figures) == {"decide_us"}
    assert figures["decide_us"]["ratio"] > 1


def test_what_buyers_are_told_of_their_wait_is_held_against_what_they_were_told_before(
    tmp_path: Path,
) -> None:
    figures = run("eta", tmp_path)
    assert {"eta_coverage", "eta_width_ratio", "eta_coverage_halved", "eta_width_ratio_capacity"} <= set(
        figures
    )
    assert figures["eta_coverage"]["value"] > figures["eta_coverage"]["baseline"]


def test_an_onsale_is_measured_alone_and_beside_the_rush_to_another(tmp_path: Path) -> None:
    figures = run("neighbours", tmp_path)
    assert set(figures) == {"neighbours_status_p99", "neighbours_over", "neighbours_shortfall"}
    assert figures["neighbours_status_p99"]["n"] > 0


def test_listeners_all_hear_of_releases(tmp_path: Path) -> None:
    figures = run("listeners", tmp_path)
    assert set(figures) == {
        "listener_bytes",
        "listeners_last_frame",
        "listeners_missed_frames",
        "listeners_frames_per_s",
        "listeners_cpu",
        "listeners_frame_cpu",
    }
    assert figures["listener_bytes"]["n"] == TINY.listeners
    assert figures["listeners_last_frame"]["n"] > 0


def test_scripts_are_timed_for_short_lines_and_long_ones(tmp_path: Path) -> None:
    main(["scripts", *arguments_of(TINY), "--json", str(tmp_path / "figures")])
    figures = [json.loads(line) for line in (tmp_path / "figures").read_text().splitlines()]
    names: dict[str, set[str]] = {}
    for figure in figures:
        names.setdefault(figure["of"], set()).add(figure["name"])
    assert next(iter(names)) == "0 waiting"
    assert list(names)[-1].endswith(" waiting, nonces gone")
    assert "script_release" not in names.pop("0 waiting")
    assert all({"script_release", "script_join"} <= each for each in names.values())
    assert all(figure["value"] > 0 and figure["n"] > 0 for figure in figures)


@pytest.mark.slow
def test_the_crowd_is_measured_at_each_size(tmp_path: Path) -> None:
    main(["crowd", *arguments_of(TINY), "--json", str(tmp_path / "figures")])
    figures = [json.loads(line) for line in (tmp_path / "figures").read_text().splitlines()]
    sizes = [figure["of"] for figure in figures if figure["name"] == "crowd_wrong_numbers"]
    assert sizes == ["1000 buyers", "3000 buyers"]
    assert not any(figure["value"] for figure in figures if figure["name"] in MUST_BE_NOUGHT)


def test_connections_that_come_and_go_are_no_growth_and_a_leak_is() -> None:
    ebb_and_flow = [250_000 + (16_000 if number % 7 in (0, 1) else 3_000) for number in range(100)]
    _, half, end = peaks(ebb_and_flow)
    assert end == half
    _, half, end = peaks([kb + 150 * number for number, kb in enumerate(ebb_and_flow)])
    assert end / half - 1 > 0.02
    assert peaks([7]) == (7, 7, 7)


@pytest.mark.slow
def test_the_loop_is_measured_with_a_real_prometheus_and_nothing_fails(tmp_path: Path) -> None:
    need("prometheus")
    figures = run("loop", tmp_path)
    assert set(figures) == {"loop_cpu_share", "loop_seconds", "loop_memory_growth", "loop_failed"}
    assert figures["loop_failed"]["value"] == 0
    assert figures["loop_cpu_share"]["value"] > 0


def test_a_benchmark_that_cannot_run_keeps_no_other_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def loop(options: object) -> list[Figure]:
        need("no-such-program")
        return []

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setitem(cast("dict[str, Any]", BENCHMARKS), "loop", loop)
    with pytest.raises(SystemExit) as ended:
        main(["loop", "machine", "--json", str(tmp_path / "figures")])
    assert ended.value.code == 1
    assert "loop was not measured: Skipped: no-such-program is not installed" in capsys.readouterr().err
    assert '"name": "machine"' in (tmp_path / "figures").read_text()


@pytest.mark.parametrize("over", [0.0, 100.0])
def test_a_broken_promise_ends_with_status_1_once_all_is_measured(
    over: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def admission(options: object) -> list[Figure]:
        return [Figure("admission_over", over, "buyers", 9)]

    monkeypatch.setitem(cast("dict[str, Any]", BENCHMARKS), "admission", admission)
    command = ["admission", "machine", "--json", str(tmp_path / "figures")]
    if over:
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 1
        assert "broken: P4, buyers let in beyond the bucket" in capsys.readouterr().err
    else:
        main(command)
    assert '"name": "machine"' in (tmp_path / "figures").read_text()


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spead"])
    assert (
        "machine, status, join, gate, memory, scripts, admission, decide, eta"
        in capsys.readouterr().err.replace("'", "")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["machine", "--json", "/nowhere/at/all"],
            "argument --json: cannot write /nowhere/at/all: there is no folder /nowhere/at",
        ),
        (
            ["machine", "onsale", "--trace", "/nowhere/trace.csv"],
            "argument --trace: cannot read /nowhere/trace.csv: No such file or directory",
        ),
        (
            ["machine", "--trace", "/dev/null"],
            "argument --trace: the trace cannot be used: null:1: holds no rows below a header such as minute,requests_per_second",
        ),
    ],
    ids=["no folder", "no trace", "an empty trace"],
)
def test_a_file_that_cannot_be_used_is_told_before_anything_is_measured(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.rstrip().endswith(message)
