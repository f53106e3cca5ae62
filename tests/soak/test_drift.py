"""A process that grows is found, one that has settled is not, and one that grew before the second half is not blamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak.__main__ import figures
from tests.soak.drift import Sample, drifts
from tidegate.demo.figures import Evidence

MIB = 1 << 20


def seen(process: str, rss: Callable[[float], float], files: Callable[[float], float]) -> list[Sample]:
    """Samples of ten minutes, one every five seconds."""
    return [
        Sample(at_s, process, round(rss(at_s / 60)), round(files(at_s / 60)))
        for at_s in (step * 5.0 for step in range(121))
    ]


def test_a_leak_of_memory_is_found_with_its_slope() -> None:
    (drift,) = drifts(seen("room", lambda minute: 80 * MIB + minute * MIB, lambda minute: 30))
    assert drift.memory_kib_per_min == pytest.approx(1024, abs=1)
    assert not drift.held


def test_a_leak_of_files_is_found_with_its_slope() -> None:
    (drift,) = drifts(seen("gate", lambda minute: 80 * MIB, lambda minute: 30 + minute))
    assert drift.files_per_min == pytest.approx(1, abs=0.05)
    assert not drift.held


def test_what_only_goes_up_and_down_has_not_grown() -> None:
    (drift,) = drifts(
        seen("gate", lambda minute: (80 + minute * 7 % 1) * MIB, lambda minute: 30 + minute * 7 % 3)
    )
    assert drift.held, drift


def test_a_process_that_grew_until_it_had_what_it_needs_is_not_blamed() -> None:
    (drift,) = drifts(seen("room", lambda minute: (60 + 5 * min(minute, 4)) * MIB, lambda minute: 30))
    assert drift.held, drift
    assert drift.memory_kib == 80 * 1024


def test_each_process_is_looked_at_by_itself() -> None:
    grows = seen("room worker 1", lambda minute: minute * 2 * MIB, lambda minute: 30)
    stays = seen("room worker 2", lambda minute: 80 * MIB, lambda minute: 30)
    assert [(drift.process, drift.held) for drift in drifts([*grows, *stays])] == [
        ("room worker 1", False),
        ("room worker 2", True),
    ]


def test_a_worker_may_remember_the_buyers_who_come() -> None:
    grows = {
        name: seen(name, lambda minute: (80 + minute * 0.9) * MIB, lambda minute: 30)
        for name in ("room worker 1", "scaler-1")
    }
    held = {drift.process: drift.held for samples in grows.values() for drift in drifts(samples)}
    assert held == {"room worker 1": True, "scaler-1": False}


def test_nothing_seen_is_no_drift() -> None:
    assert drifts([]) == []


def test_a_figure_names_its_process_and_its_limit() -> None:
    found = drifts(seen("room", lambda minute: 80 * MIB, lambda minute: 30))
    printed = {figure.name: figure for figure in figures(found, Evidence([], [], [], []), 0.0)}
    growth = printed["soak_memory_growth"]
    assert (growth.of, growth.unit, growth.baseline) == ("room", "KiB/min", 128.0)
    assert printed["soak_lost_places"].value == 0
