"""The page of results: made of figures alone, its prose left alone."""

from pathlib import Path

import pytest

from tests.benchmarks.aims import AIMS, broken
from tests.benchmarks.figures import Figure, read_figures
from tests.benchmarks.report import DOCS, TABLES, fill, main

MARK = "before\n<!-- figures: {} -->\nold\n<!-- end -->\nafter\n"


def test_a_table_is_made_anew_and_the_prose_stays() -> None:
    figures = [Figure("join_rps_ratio", 5123.456, "requests/s", 20, 9000.0, 0.5693)]
    page = fill(MARK.format("web"), figures)
    assert page.startswith("before\n<!-- figures: web -->\n| figure |")
    assert page.endswith(
        "| `join_rps_ratio` | 5,123 | requests/s | 9,000 | 0.569 | 20 |\n<!-- end -->\nafter\n"
    )
    assert "old" not in page
    assert fill(page, figures) == page


def test_a_table_of_which_nothing_was_measured_stays() -> None:
    page = MARK.format("web")
    assert fill(page, [Figure("crowd_join_p50", 1.0, "ms", 1, of="1000 buyers")]) == page


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(SystemExit, match="there is no table 'wab'"):
        fill(MARK.format("wab"), [Figure("join_rps_ratio", 1.0, "", 1)])


@pytest.mark.parametrize(("value", "says"), [(0.009, "| 0.009 | yes |"), (0.02, "| 0.02 | **no** |")])
def test_an_aim_is_met_or_missed(value: float, says: str) -> None:
    page = fill(MARK.format("aims"), [Figure("admission_shortfall", value, "fraction", 9)])
    assert f"| P5 | of rate x elapsed not released: at most 1 % {says}" in page


def test_an_aim_of_which_nothing_was_measured_says_so() -> None:
    page = fill(MARK.format("aims"), [Figure("admission_over", 0.0, "buyers", 9)])
    assert "| P5 | of rate x elapsed not released: at most 1 % | | not measured |" in page
    assert page.count("\n| ") == len(AIMS) + 2


def test_a_room_which_does_not_answer_misses_the_poll_budget() -> None:
    polls = Figure("crowd_polls_per_s", 500.0, "", 1, 1000.0, 0.5, of="1000 buyers")
    page = fill(MARK.format("aims"), [polls])
    assert "at most 1.03, at any length of the line | 0.5 | yes |" in page
    assert "does not answer all who ask | 0.5 | **no** |" in page


def test_a_crowd_that_came_too_quickly_is_called_so() -> None:
    figures = [
        Figure("crowd_joins_per_s", joins, "joins/s", size, 2500.0, joins / 2500.0, of=f"{size} buyers")
        for size, joins in ((1_000, 2300.0), (10_000, 2490.0), (100_000, 1146.0))
    ]
    page = fill(MARK.format("crowd"), figures)
    assert "| come, joins/s | 2,500 | 2,500 | 2,500 |" in page
    assert "Overloaded with 100,000 buyers: the join times are a queue's." in page


def test_the_limit_is_told_as_measured() -> None:
    page = fill(MARK.format("limit"), [Figure("status_cpu_ratio", 58.0, "us/request", 1, 43.5, 0.75)])
    assert "a status 1.33 times what a bare handler's answer takes" in page


def test_of_several_files_the_later_one_counts_and_each_machine_is_named(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.md").write_text(MARK.format("machine") + MARK.format("web"))
    files = []
    for name, ratio, processors in (("all", 0.5, 2), ("again", 0.7, 8)):
        figures = [
            Figure("machine", processors, "processors", 1, note="EPYC"),
            Figure("join_rps_ratio", 5.0, "requests/s", 1, 9.0, ratio),
        ]
        files.append(tmp_path / name)
        files[-1].write_text("".join(figure.to_json() + "\n" for figure in figures))
    main([str(file) for file in files], tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "- `all`: measured on 2 processors: EPYC.\n- `again`: measured on 8 processors: EPYC.\n" in page
    assert "| 0.7 | 1 |" in page
    assert "| 0.5 | 1 |" not in page


def test_a_missed_aim_is_explained_and_the_worst_size_counts() -> None:
    polls = [
        Figure("crowd_polls_per_s", 1.0, "", 1, 1.0, ratio, of=f"{size} buyers")
        for size, ratio in ((1000, 1.1), (10_000, 1.0))
    ]
    page = fill(MARK.format("aims"), polls)
    assert "| 1.1 | **no** |" in page
    assert "Missed:\n\n- P3, questions/s" in page


@pytest.mark.parametrize(
    ("figure", "why"),
    [
        (Figure("admission_over", 100.0, "buyers", 9), "P4, buyers let in beyond the bucket"),
        (Figure("loop_failed", 3.0, "rounds of rules", 9), "scaler, rounds of rules that failed: none"),
    ],
    ids=lambda value: value.name if isinstance(value, Figure) else "",
)
def test_a_broken_promise_is_listed_and_ends_with_status_1(figure: Figure, why: str, tmp_path: Path) -> None:
    (tmp_path / "benchmarks.md").write_text(MARK.format("aims"))
    (tmp_path / "figures").write_text(figure.to_json())
    with pytest.raises(SystemExit, match=f"broken: {why}"):
        main([str(tmp_path / "figures")], tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    assert f"Missed:\n\n- {why}" in page
    assert page.rstrip().endswith("a promise is broken.\n<!-- end -->\nafter")


def test_crowds_stand_side_by_side() -> None:
    figures = [
        Figure("crowd_join_p50", size / 1e4, "ms", size, of=f"{size} buyers") for size in (10_000, 1_000)
    ]
    page = fill(MARK.format("crowd"), figures)
    assert "| buyers | 1,000 | 10,000 |" in page
    assert "| a join, ms, median | 0.1 | 1 |" in page


def test_the_page_has_every_table_and_no_other() -> None:
    page = (DOCS / "benchmarks.md").read_text()
    assert {name for name in TABLES if f"<!-- figures: {name} -->" in page} == set(TABLES)
    assert page.count("<!-- figures: ") == page.count("<!-- end -->") == len(TABLES)


@pytest.mark.slow
def test_the_page_is_written_with_its_picture(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "benchmarks.md").write_text(MARK.format("crowd"))
    figures = [
        Figure(name, 900.0, "", 1, 1000.0, 0.9, of=f"{size} buyers")
        for size in (10, 100)
        for name in (
            "crowd_polls_per_s",
            "crowd_room_cpu",
            "crowd_store_cpu",
            "crowd_status_p50",
            "crowd_status_p99",
            "crowd_store_bytes",
            "crowd_joining_store_bytes",
        )
    ]
    file = tmp_path / "figures"
    file.write_text("".join(figure.to_json() + "\n" for figure in figures))
    main([str(file)], tmp_path)
    assert "| questions/s of all who wait | 900 | 900 |" in (tmp_path / "benchmarks.md").read_text()
    assert (tmp_path / "img" / "crowd-growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_without_figures_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "figures"
    file.write_text("\n")
    with pytest.raises(SystemExit, match="holds no figure"):
        main([str(file)], tmp_path)


def test_rivals_may_lose_order_and_places() -> None:
    def inversions(of: str) -> Figure:
        return Figure("onsale_inversions", 0.2, "fraction of pairs", 9, of=of)

    assert not broken([inversions("rush, hpa"), inversions("rush, prepared")])
    assert [miss.value for miss in broken([inversions("slow-shop, tidegate")])] == [0.2]


@pytest.mark.parametrize(
    ("figure", "breaks"),
    [
        pytest.param(Figure("store_bytes_per_waiting_buyer", 1.0, "bytes", 1_000_000), True, id="P1"),
        pytest.param(Figure("store_bytes_per_waiting_buyer", 1.2, "bytes", 10_000), False, id="too few"),
        pytest.param(
            Figure("crowd_store_bytes", 1.0, "bytes", 1, of="1000000 buyers"),
            True,
            id="P1 in a line that moves",
        ),
        pytest.param(Figure("admission_shortfall", 0.02, "fraction", 13_000), True, id="P5"),
        pytest.param(Figure("crowd_released_shortfall", 0.02, "fraction", 9), False, id="by the machine"),
        pytest.param(Figure("decide_us", 80.0, "us", 80_000), False, id="by its speed"),
        pytest.param(Figure("neighbours_status_p99", 9.0, "ms", 800, 1.0, 9.0), False, id="by its load"),
    ],
)
def test_a_machine_excuses_only_what_depends_on_it(figure: Figure, breaks: bool) -> None:
    assert [miss.value for miss in broken([figure])] == ([figure.value] if breaks else [])


def test_the_rivals_replica_hours_are_no_aim_of_ours() -> None:
    (aim,) = [aim for aim in AIMS if aim.figure == "onsale_replica_hours_ratio"]

    def hours(of: str) -> Figure:
        return Figure(aim.figure, 1.3, "ratio", 12_000, of=of)

    assert aim.worst([hours("rush, hpa"), hours("slow-shop, tidegate")]) is None
    assert aim.worst([hours("rush, tidegate")]) == 1.3
    assert not aim.is_met(1.3)


def test_what_shall_be_below_a_limit_does_not_reach_it() -> None:
    (aim,) = [aim for aim in AIMS if aim.figure == "onsale_slo_violation_share"]
    assert [aim.is_met(value) for value in (0.00099, 0.001, 0.00104)] == [True, False, False]


def test_rounding_meets_no_aim() -> None:
    calls = Figure("status_store_calls", 1 / 20_001, "commands/request", 20_001)
    late = Figure("onsale_slo_violation_share", 0.00104, "fraction", 12_000, of="rush, tidegate")
    figures = read_figures([calls.to_json(), late.to_json()])
    assert [miss.aim.figure for miss in broken(figures)] == ["status_store_calls"]
    assert figures[1].value == late.value


def test_every_promise_that_is_measured_here_has_an_aim() -> None:
    assert {"P1", "P2", "P3", "P4", "P5", "P11"} <= {aim.promise for aim in AIMS}
