"""A soak of a quarter of a minute: every process of ours is looked at, and the sale is checked as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import soak

pytestmark = pytest.mark.slow

PROCESSES = {
    *("store", "room", "room worker 1", "room worker 2", "gate", "gate worker 1", "gate worker 2"),
    *("scaler-1", "scaler-2"),
}


async def test_every_process_is_watched_and_nobody_is_wronged(tmp_path: Path) -> None:
    soaked = await soak(0.25, tmp_path)
    assert {drift.process for drift in soaked.drifts} == PROCESSES
    assert all(drift.memory_kib > 1024 and drift.files >= 3 for drift in soaked.drifts)
    assert soaked.admitted > 0
    assert set(soaked.broken.values()) == {0}
