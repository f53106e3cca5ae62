"""The example for flash crowds beats the HPA algorithm: fewer requests late, at no more than a tenth more replica-hours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rulebook import ScalingRule, load_documents
from rulebook.simulation import Comparison, Service, Settings, compare, parse_trace

ROOT = Path(__file__).parents[2]
GENERATED = Path(__file__).parent / "data" / "traces" / "flash_crowd.csv"
SERVICE = Service(rate_per_s=50, startup_s=30, service_time_s=0.02, slo_s=0.5)
PEAK_PER_S = 1000
"""To about this peak a trace with a lower one is scaled, so that it takes a fleet to serve it."""


def example() -> ScalingRule:
    """Load the example, which must be alone in its file."""
    (rule,) = load_documents(ROOT / "rules" / "examples" / "flash-crowd" / "rule.yaml").rules.values()
    return rule


def simulated(file: Path, settings: Settings | None = None, service: Service = SERVICE) -> Comparison:
    """Run the example against the HPA."""
    trace = parse_trace(file.read_text("utf-8"), file.name)
    trace = trace.scaled(max(PEAK_PER_S / trace.peak_per_s, 1.0))
    return compare(example(), trace, service, settings or Settings(against_hpa=True))


@pytest.mark.parametrize("startup_s", [15, 30, 60])
def test_fewer_requests_are_late_for_at_most_a_tenth_more_hours(startup_s: int) -> None:
    comparison = simulated(GENERATED, service=replace(SERVICE, startup_s=startup_s))
    ours, theirs = comparison.contender("rule").scores, comparison.contender("hpa").scores
    assert ours.slo_violation_percent < 0.5 * theirs.slo_violation_percent
    assert ours.replica_hours <= 1.1 * theirs.replica_hours


def test_it_beats_an_hpa_that_may_cost_as_much() -> None:
    ours = simulated(GENERATED).contender("rule").scores
    for target in range(33, 46, 3):
        theirs = simulated(GENERATED, Settings(against_hpa=True, hpa_target=target)).contender("hpa").scores
        if theirs.replica_hours <= ours.replica_hours:
            assert ours.slo_violation_percent < theirs.slo_violation_percent


def test_nobody_does_with_less_than_the_optimum_and_keeps_the_objective_better() -> None:
    comparison = simulated(GENERATED)
    optimum = comparison.contender("optimum").scores
    assert optimum.slo_violation_percent < 5
    for name in ("rule", "hpa"):
        scores = comparison.contender(name).scores
        assert scores.replica_hours > optimum.replica_hours or scores.slo_violation_percent > 1


def test_the_same_simulation_gives_the_same_scores() -> None:
    first, again = simulated(GENERATED), simulated(GENERATED)
    assert [entry.scores for entry in first.contenders] == [entry.scores for entry in again.contenders]


def test_a_peak_beyond_the_maximum_is_noted() -> None:
    notes = simulated(GENERATED, Settings(most=10)).notes
    assert any("more than the maximum of 10" in note for note in notes)


def test_a_target_that_leaves_nothing_to_spare_is_noted() -> None:
    notes = simulated(GENERATED, service=replace(SERVICE, rate_per_s=45)).notes
    assert any(
        "signal requests gives a replica 45/s, all that it can serve or more" in note for note in notes
    )


def test_the_traces_in_the_folder_named_by_the_environment() -> None:
    folder = os.environ.get("TIDEGATE_TRACES")
    if not folder:
        pytest.skip("TIDEGATE_TRACES names no folder")
    files = sorted(Path(folder).glob("*.csv"))
    assert files, f"no *.csv in {folder}"
    for file in files:
        comparison = simulated(file)
        ours, theirs = comparison.contender("rule").scores, comparison.contender("hpa").scores
        assert ours.slo_violation_percent < theirs.slo_violation_percent, file.name
        if file.name.startswith(
            "wc98"
        ):  # the others are bursts of a minute, where being ready in time costs more
            assert ours.replica_hours <= 1.1 * theirs.replica_hours, file.name
