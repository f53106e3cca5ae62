"""A soak of a quarter of a minute: every process of ours is looked at, and the sale is checked as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import figures, soak

pytestmark = pytest.mark.slow

PROCESSES = {
    *("store", "room", "room worker 1", "room worker 2", "gate", "gate worker 1", "gate worker 2"),
    *("scaler-1", "scaler-2"),
}


async def test_every_process_is_watched_and_nobody_is_wronged(tmp_path: Path) -> None:
    found, evidence, opens_s = await soak(0.25, tmp_path)
    assert {drift.process for drift in found} == PROCESSES
    assert all(drift.memory_kib > 1024 and drift.files >= 3 for drift in found)
    printed = {figure.name: figure.value for figure in figures(found, evidence, opens_s)}
    assert printed["soak_admitted"] > 0
    wrongs = ("soak_lost_places", "soak_double_claims", "soak_order_violations", "soak_over_admitted")
    assert [printed[name] for name in wrongs] == [0, 0, 0, 0]
