"""A process that grows is found, one that has settled is not, and one that grew before the second half is not blamed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.soak.__main__ import figures
from tests.soak.drift import Growth, Sample, drifts, ended
from tests.soak.report import failures
from tests.soak.test_report import soaked

MIB = 1 << 20
KIB = 1 << 10


def seen(process: str, rss: Callable[[float], float], files: Callable[[float], float]) -> list[Sample]:
    """Samples of ten minutes, one every five seconds."""
    return [
        Sample(at_s, process, 7, round(rss(at_s / 60)), round(files(at_s / 60)))
        for at_s in (step * 5.0 for step in range(121))
    ]


def against(samples: list[Sample], process: str) -> list[str]:
    """The names of the figures by which something is said against a process."""
    said = [failure for failure in failures(figures(soaked(samples))) if f" of {process}: " in failure]
    return [failure.partition(" ")[0] for failure in said]


def test_a_leak_of_memory_is_found_with_its_slope() -> None:
    leaks = seen("room", lambda minute: 80 * MIB + minute * MIB, lambda minute: 30)
    (drift,) = drifts(leaks)
    assert drift.memory_growth.per_min == pytest.approx(1024, abs=1)
    assert drift.memory_growth.error == pytest.approx(0, abs=1)
    assert against(leaks, "room") == ["soak_memory_growth"]


def test_a_leak_of_files_is_found_with_its_slope() -> None:
    leaks = seen("gate", lambda minute: 80 * MIB, lambda minute: 30 + minute)
    (drift,) = drifts(leaks)
    assert drift.files_growth.per_min == pytest.approx(1, abs=0.05)
    assert against(leaks, "gate") == ["soak_files_growth"]


def test_what_only_goes_up_and_down_has_not_grown() -> None:
    samples = seen("gate", lambda minute: (80 + minute * 7 % 1) * MIB, lambda minute: 30 + minute * 7 % 3)
    assert against(samples, "gate") == []


def restless(about_kib: float, process: str = "gate") -> list[Sample]:
    """Memory which goes up and down by so much from minute to minute, by chance, and never grows."""
    dice = random.Random(2)
    steps = [dice.gauss(0.0, about_kib) * KIB for _ in range(11)]
    return seen(process, lambda minute: 80 * MIB + steps[int(minute)], lambda minute: 30)


def test_memory_so_restless_that_a_leak_could_hide_in_it_shows_nothing() -> None:
    assert against(restless(1000.0), "gate") == ["soak_memory_smallest_seen"]


def test_neighbouring_looks_that_resemble_each_other_make_no_slope_sure() -> None:
    (drift,) = drifts(restless(300.0))
    (doubled,) = drifts([each for sample in restless(300.0) for each in (sample, sample)])
    assert doubled.memory_growth.error == pytest.approx(drift.memory_growth.error, rel=0.15)


def test_the_smallest_growth_that_is_sure_to_be_found_is_above_the_limit_by_twice_the_error() -> None:
    assert Growth(0.0, error=5.0).smallest_seen(64.0) == 74.0


def test_a_process_that_grew_until_it_had_what_it_needs_is_not_blamed() -> None:
    samples = seen("room", lambda minute: (60 + 5 * min(minute, 4)) * MIB, lambda minute: 30)
    assert against(samples, "room") == []
    assert [drift.memory_kib for drift in drifts(samples)] == [80 * 1024]


def test_each_process_is_looked_at_by_itself() -> None:
    grows = seen("room worker 1", lambda minute: minute * 2 * MIB, lambda minute: 30)
    stays = seen("room worker 2", lambda minute: 80 * MIB, lambda minute: 30)
    both = [*grows, *stays]
    assert against(both, "room worker 1") == ["soak_memory_growth"]
    assert against(both, "room worker 2") == []


@pytest.mark.parametrize("name", ["room worker 1", "scaler-1"])
def test_the_same_limit_holds_for_a_worker_as_for_all(name: str) -> None:
    grows = seen(name, lambda minute: (80 + minute * 0.2) * MIB, lambda minute: 30)
    assert against(grows, name) == ["soak_memory_growth"]


def looks(*pids: tuple[int, ...]) -> list[Sample]:
    """Looks a minute apart, each at the two workers with these pids."""
    return [
        Sample(60.0 * number, f"room worker {worker}", pid, 80 * MIB, 30)
        for number, there in enumerate(pids)
        for worker, pid in enumerate(there, 1)
    ]


@pytest.mark.parametrize(
    ("pids", "gone"),
    [
        (((5, 6), (5, 6), (5, 6)), []),
        (((5, 6), (5, 6), (5, 7)), ["room worker 2"]),
        (((5, 6), (6, 7), (6, 7)), ["room worker 1"]),
        (((5, 6), (5, 6), (5,)), ["room worker 2"]),
        (((5, 6), (5, 7), (5, 8)), ["room worker 2", "room worker 2"]),
    ],
    ids=["all stay", "another in its place", "the other moves up", "nobody in its place", "again and again"],
)
def test_a_process_that_is_not_there_any_more_is_missed(
    pids: tuple[tuple[int, ...], ...], gone: list[str]
) -> None:
    assert ended(looks(*pids)) == gone
    said = [
        failure for failure in failures(figures(soaked(looks(*pids)))) if failure.startswith("soak_ended")
    ]
    assert said == ([f"soak_ended: {len(gone)} processes, at most 0 ({', '.join(gone)})"] if gone else [])


def test_memory_is_told_at_the_opening_at_half_time_and_at_the_end() -> None:
    (drift,) = drifts(seen("room", lambda minute: (60 + minute) * MIB, lambda minute: 30))
    assert [drift.memory_at_first_kib, drift.memory_at_half_kib, drift.memory_kib] == [
        60 * 1024,
        65 * 1024,
        70 * 1024,
    ]


def test_nothing_seen_is_no_drift() -> None:
    assert drifts([]) == []
    assert ended([]) == []


def test_a_figure_names_its_process_and_its_limit() -> None:
    found = seen("room", lambda minute: 80 * MIB, lambda minute: 30)
    printed = {figure.name: figure for figure in figures(soaked(found))}
    growth = printed["soak_memory_growth"]
    assert (growth.of, growth.unit, growth.baseline) == ("room", "KiB/min", 64.0)
    assert printed["soak_lost_places"].value == 0
