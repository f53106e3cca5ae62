"""What a person sees of a run: table, lines, summary, files."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.system.demo_builders import OPENS, a_buyer, a_checkout, seen, steady
from tidegate.demo.checks import Check
from tidegate.demo.figures import Evidence, Terms, count
from tidegate.demo.optimum import Capacity, Setback
from tidegate.demo.options import DemoOptions
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.plot import plot
from tidegate.demo.records import ReplicaSample
from tidegate.demo.report import summary, tell, write_report
from tidegate.demo.screen import PlainScreen, open_screen
from tidegate.demo.table import Snapshot, clock, line, render

TERMS = Terms(OPENS, Capacity(4, 1, startup_s=2.0, has_prequeue=True), Ceiling(60.0, burst=20))
CHECK = Check("the rate came back", held=False, detail="it did not", figures={"from_per_s": 48.0})
SNAPSHOT = Snapshot(
    since_opening_s=83.2,
    phase="the onsale is open",
    page_url="http://127.0.0.1:8080/show/",
    gate_url="http://127.0.0.1:8081/",
    status_url="http://127.0.0.1:8082/status",
    buyers=300,
    joined=250,
    waiting=120,
    released=90,
    in_shop=30,
    served=55,
    left=5,
    desired=4,
    ready=3,
    rate_per_s=24.0,
    rate_reason="3 ready x 8/s",
    p95_ms=812.4,
)
NOTHING_YET = Snapshot(-5.0, "the pre-queue fills", "http://a/", "http://b/", "http://c/", buyers=300)


@pytest.fixture
def evidence() -> Evidence:
    buyers = [
        a_buyer(
            number,
            admitted=OPENS + number,
            sessions=(f"s{number}",),
            visits=(a_checkout(OPENS + 1 + number),),
        )
        for number in range(3)
    ]
    served = [seen(f"s{number}", OPENS + number, number) for number in range(3)]
    return Evidence(
        buyers, served, steady(8.0, OPENS + 10), [ReplicaSample(OPENS + at, 2, 1) for at in range(5)]
    )


def test_the_table_shows_the_figures_and_the_addresses() -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(SNAPSHOT))
    console.file.close()
    text = console.export_text()
    for shown in (
        "T+83s",
        "120",
        "3 ready x 8/s",
        "24.0/s",
        "812 ms",
        "4 wanted",
        "http://127.0.0.1:8080/show/",
    ):
        assert shown in text


def test_a_line_says_the_same() -> None:
    assert line(SNAPSHOT) == (
        "T+83s  waiting 120  released 90  in shop 30  served 55/300  left 5  replicas 3/4  rate 24.0/s (3 ready x 8/s)  "
        "p95 812 ms  errors 0"
    )


def test_what_is_not_known_is_no_zero() -> None:
    assert "waiting -  released -" in line(NOTHING_YET)
    assert "p95 -" in line(NOTHING_YET)


@pytest.mark.parametrize(("seconds", "text"), [(-5.0, "T-5s"), (0.0, "T+0s"), (83.2, "T+83s")])
def test_the_clock_counts_from_the_opening(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_plain_screen_prints_a_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen()
    for at in range(11):
        screen.show(Snapshot(float(at), "open", "a", "b", "c", buyers=1))
    assert [text.split()[0] for text in capsys.readouterr().out.splitlines()] == ["T+0s", "T+5s", "T+10s"]


def test_without_a_terminal_there_is_no_live_table() -> None:
    with open_screen(headless=False) as screen:
        assert isinstance(screen, PlainScreen)


def test_the_summary_names_what_is_promised(evidence: Evidence) -> None:
    text = "\n".join(summary(count(evidence, TERMS)))
    assert "served 3 of 3 buyers who stayed (0 left) in 3 s" in text
    assert "lost places 0, over-admitted 0, double claims 0, order violations 0" in text


def test_the_report_holds_all_figures_and_a_picture(evidence: Evidence, tmp_path: Path) -> None:
    told = write_report(tmp_path, DemoOptions(buyers=3), evidence, TERMS, count(evidence, TERMS), [CHECK])
    document = json.loads((tmp_path / "report.json").read_text())
    assert {
        "buyers", "joined", "admitted", "served", "left", "lost_places", "over_admitted", "double_claims",
        "order_violations", "replicas_min", "replicas_max", "shop_p95_ms", "shop_errors", "seconds_to_serve",
        "seconds_optimum", "ratio",
    } <= document.keys()  # fmt: skip
    assert (document["served"], document["scenario"]) == (3, "festival")
    assert document["checks"] == [
        {
            "name": "the rate came back",
            "held": False,
            "detail": "it did not",
            "figures": {"from_per_s": 48.0},
        }
    ]
    width, height = struct.unpack(">II", (tmp_path / "report.png").read_bytes()[16:24])
    assert width > 800
    assert height > 800
    assert str(tmp_path / "report.png") in told[0]


def test_a_blow_is_shaded_in_the_picture(evidence: Evidence, tmp_path: Path) -> None:
    plot(evidence, OPENS, "calm", tmp_path / "calm.png")
    plot(evidence, OPENS, "calm", tmp_path / "struck.png", [Setback(2.0, 4.0, replicas=1)])
    assert (tmp_path / "calm.png").read_bytes() != (tmp_path / "struck.png").read_bytes()


def test_a_check_that_failed_is_told_as_plainly_as_one_that_held() -> None:
    assert tell(CHECK) == "NOT SHOWN: the rate came back: it did not"
    assert tell(Check("the rate came back", held=True, detail="after 2 s")) == (
        "shown: the rate came back: after 2 s"
    )


def test_an_empty_run_can_be_drawn_too(tmp_path: Path) -> None:
    nothing = Evidence([], [], [], [])
    write_report(tmp_path, DemoOptions(), nothing, TERMS, count(nothing, TERMS), [])
    assert (tmp_path / "report.png").stat().st_size > 0


def test_without_matplotlib_the_report_says_what_to_install(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    told = write_report(tmp_path, DemoOptions(buyers=3), evidence, TERMS, count(evidence, TERMS), [])
    assert "pip install 'tidegate[plots]'" in told[0]
    assert (tmp_path / "report.json").exists()
    assert not (tmp_path / "report.png").exists()
