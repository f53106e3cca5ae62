"""A process that grows is found, one that has settled is not, and one that grew before the second half is not blamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak.__main__ import figures
from tests.soak.drift import Drift, Sample, drifts
from tests.soak.report import failures
from tests.soak.test_report import soaked

MIB = 1 << 20


def seen(process: str, rss: Callable[[float], float], files: Callable[[float], float]) -> list[Sample]:
    """Samples of ten minutes, one every five seconds."""
    return [
        Sample(at_s, process, round(rss(at_s / 60)), round(files(at_s / 60)))
        for at_s in (step * 5.0 for step in range(121))
    ]


def held(drift: Drift) -> bool:
    """Whether nothing is said against it."""
    return not any(drift.process in failure for failure in failures(figures(soaked([drift]))))


def test_a_leak_of_memory_is_found_with_its_slope() -> None:
    (drift,) = drifts(seen("room", lambda minute: 80 * MIB + minute * MIB, lambda minute: 30))
    assert drift.memory_kib_per_min == pytest.approx(1024, abs=1)
    assert not held(drift)


def test_a_leak_of_files_is_found_with_its_slope() -> None:
    (drift,) = drifts(seen("gate", lambda minute: 80 * MIB, lambda minute: 30 + minute))
    assert drift.files_per_min == pytest.approx(1, abs=0.05)
    assert not held(drift)


def test_what_only_goes_up_and_down_has_not_grown() -> None:
    (drift,) = drifts(
        seen("gate", lambda minute: (80 + minute * 7 % 1) * MIB, lambda minute: 30 + minute * 7 % 3)
    )
    assert held(drift), drift


def test_a_process_that_grew_until_it_had_what_it_needs_is_not_blamed() -> None:
    (drift,) = drifts(seen("room", lambda minute: (60 + 5 * min(minute, 4)) * MIB, lambda minute: 30))
    assert held(drift), drift
    assert drift.memory_kib == 80 * 1024


def test_each_process_is_looked_at_by_itself() -> None:
    grows = seen("room worker 1", lambda minute: minute * 2 * MIB, lambda minute: 30)
    stays = seen("room worker 2", lambda minute: 80 * MIB, lambda minute: 30)
    assert [(drift.process, held(drift)) for drift in drifts([*grows, *stays])] == [
        ("room worker 1", False),
        ("room worker 2", True),
    ]


def test_the_same_limit_holds_for_a_worker_as_for_all() -> None:
    grows = {
        name: seen(name, lambda minute: (80 + minute * 0.2) * MIB, lambda minute: 30)
        for name in ("room worker 1", "scaler-1")
    }
    assert not any(held(drift) for samples in grows.values() for drift in drifts(samples))


def test_memory_is_told_at_the_opening_at_half_time_and_at_the_end() -> None:
    (drift,) = drifts(seen("room", lambda minute: (60 + minute) * MIB, lambda minute: 30))
    assert [drift.memory_at_first_kib, drift.memory_at_half_kib, drift.memory_kib] == [
        60 * 1024,
        65 * 1024,
        70 * 1024,
    ]


def test_nothing_seen_is_no_drift() -> None:
    assert drifts([]) == []


def test_a_figure_names_its_process_and_its_limit() -> None:
    found = drifts(seen("room", lambda minute: 80 * MIB, lambda minute: 30))
    printed = {figure.name: figure for figure in figures(soaked(found))}
    growth = printed["soak_memory_growth"]
    assert (growth.of, growth.unit, growth.baseline) == ("room", "KiB/min", 128.0)
    assert printed["soak_lost_places"].value == 0
