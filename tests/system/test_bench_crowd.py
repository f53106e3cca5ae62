"""`tidegate bench crowd`: a small crowd with real processes, its figures and its picture; and what is refused."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.bench import driver
from tidegate.bench.errors import BenchError
from tidegate.bench.figures import Figure, read_figures
from tidegate.bench.growth import plot_growth
from tidegate.bench.options import CrowdOptions
from tidegate.bench.outcome import MUST_BE_NOUGHT, retry_after_off
from tidegate.bench.questions import Joined, Told, is_ok, read_joined, read_told, whole_length
from tidegate.bench_cli import bench_app
from waitingroom.polling import asking_for

JOINED = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 96\r\n\r\n{"place":"AbC-_1","state":"waiting","number":7,"epoch":3,'
    b'"position":7,"ahead":6,"retry_after":1.25,"as_of":9.5,"stale":false}'
)
STATUS = b'HTTP/1.1 200 OK\r\n\r\n{"state":"waiting","position":%d,"ahead":%d,"retry_after":%.2f,"as_of":9.5,"stale":false}'


@pytest.fixture(autouse=True)
def logs_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's logs would go on, for all tests behind these, to an output that is closed by then."""
    monkeypatch.setattr("tidegate.bench_cli.configure_logs", lambda *_: None)


def run(arguments: Sequence[str]) -> tuple[int, str]:
    result = CliRunner().invoke(bench_app, ["crowd", *arguments])
    return result.exit_code, result.output


@pytest.mark.slow
def test_a_crowd_joins_waits_and_enters_and_no_promise_is_broken(tmp_path: Path) -> None:
    file, picture = tmp_path / "figures", tmp_path / "growth.png"
    arguments = ["--buyers", "400", "--joins", "800", "--seconds", "4", "--rate", "20", "--no-growth"]
    status, told = run([*arguments, "--json", str(file), "--plot", str(picture)])
    assert status == 0, told
    figures = {figure.name: figure for figure in read_figures(file.read_text().splitlines())}
    assert [json.loads(line) for line in told.splitlines()] == [
        json.loads(line) for line in file.read_text().splitlines()
    ]
    assert {name: figures[name].value for name in MUST_BE_NOUGHT} == dict.fromkeys(MUST_BE_NOUGHT, 0)
    assert all(figure.of == "400 buyers" for figure in figures.values())
    assert figures["crowd_changed_places"].n == 8
    assert figures["crowd_session_bytes"].n > 0
    assert figures["crowd_store_bytes"].value > 0
    assert figures["crowd_status_p99"].n > 0
    assert figures["crowd_retry_after"].n > 0
    assert figures["crowd_retry_after"].value < 0.1
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_behind_the_largest_crowd_the_smallest_comes_once_more(tmp_path: Path) -> None:
    file = tmp_path / "figures"
    arguments = ["--buyers", "1001", "--joins", "1000", "--seconds", "2", "--json", str(file)]
    status, told = run(arguments)
    assert status == 0, told
    figures = read_figures(file.read_text().splitlines())
    first, larger, again = [figure for figure in figures if figure.name.startswith("crowd_room_cpu")]
    assert (first.of, larger.of, again.of) == ("1000 buyers", "1001 buyers", "1000 buyers")
    assert again.name == "crowd_room_cpu_again"
    assert again.n > 0
    assert larger.baseline == again.baseline == first.value
    assert again.ratio == pytest.approx(again.value / first.value, rel=1e-3)  # written with six figures


def test_the_crowds_grow_tenfold_up_to_the_largest() -> None:
    assert CrowdOptions(buyers=1_000_000).sizes == [1_000, 10_000, 100_000, 1_000_000]
    assert CrowdOptions(buyers=25_000).sizes == [1_000, 10_000, 25_000]
    assert CrowdOptions(buyers=25_000, growth=False).sizes == [25_000]
    assert CrowdOptions(buyers=300).sizes == [300]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buyers": 0}, "--buyers must be from 1 to 16777216, not 0"),
        ({"joins_per_s": 0.0}, "--joins must be above 0, not 0"),
        ({"poll_budget_per_s": float("nan")}, "--poll-budget must be above 0, not nan"),
        ({"json": Path("/nowhere/at/all")}, "there is no folder /nowhere/at to write all to"),
        ({"plot": Path("/")}, "/ is a folder, where a file is to be written"),
    ],
)
def test_a_value_out_of_its_range_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        CrowdOptions(**changes)  # type: ignore[arg-type]


def test_a_picture_without_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no figure of a crowd"):
        plot_growth([Figure("join", 1.0, "us", 1)], tmp_path / "growth.png")


def test_a_line_is_laid_out_at_one_moment_however_long_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(crowd: driver.Driver, number: int) -> float:
        time.sleep(0.05)
        return 10.0

    monkeypatch.setattr(driver.Driver, "_interval_s", slowly)
    crowd = driver.Driver(
        driver.DriverOptions("sale", "h", 1, 40, joins_per_s=1.0, seconds=1.0, poll_budget_per_s=1.0)
    )
    for buyer in range(40):
        crowd.register.enter_place(buyer, buyer + 1, b"place")
    before_s = crowd.now_s()
    crowd.lay_out()
    assert crowd.now_s() - before_s < 40 * 0.05


@pytest.mark.parametrize(
    ("stretched", "off"), [(1.0, 0.0), (10.0, 9.0), (0.5, 0.5)], ids=["as due", "ten times", "half"]
)
def test_a_room_that_tells_another_interval_than_is_due_is_seen_though_nobody_comes_back(
    stretched: float, off: float
) -> None:
    buyers, budget_per_s = 2_000, 100.0
    crowd = driver.Driver(
        driver.DriverOptions(
            "sale", "h", 1, buyers, joins_per_s=1.0, seconds=1.0, poll_budget_per_s=budget_per_s
        )
    )
    crowd._watching = True
    asking = asking_for(buyers, budget_per_s)
    for buyer in range(buyers):
        crowd.register.enter_place(buyer, buyer + 1, b"place")
        told_s = stretched * asking.retry_after_s(buyer, salt=buyer + 1)
        crowd._hear(buyer, STATUS % (buyer + 1, buyer, told_s), 0.0)
    told = crowd._tally.told(1.0)["retry_after"]
    assert told["count"] == buyers
    assert retry_after_off(told) == pytest.approx(off, abs=0.01)


def test_buyers_who_all_come_back_at_one_moment_are_seen_by_their_spread() -> None:
    assert retry_after_off({"mean": 1.0, "p1": 1.0, "p99": 1.0}) == pytest.approx(0.244, abs=0.001)


def test_an_answer_is_read_for_what_a_buyer_goes_by() -> None:
    assert is_ok(JOINED)
    assert read_joined(JOINED) == Joined(b"AbC-_1", 7, 1.25)
    assert read_told(JOINED) == Told(b"waiting", 7, 1.25, 9.5)
    assert read_told(JOINED.replace(b'"position":7', b'"position":null')).position == 0


def test_an_answer_is_whole_when_its_body_is() -> None:
    head = JOINED.index(b"{")
    assert whole_length(JOINED[: head - 2]) is None
    assert whole_length(JOINED) == head + 96
    with pytest.raises(ValueError, match="without a length"):
        whole_length(b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_line_that_is_no_figure_is_named() -> None:
    with pytest.raises(ValueError, match="line 2 is no figure"):
        read_figures([Figure("join", 1.0, "us", 1).to_json(), '{"value": 3}'])
