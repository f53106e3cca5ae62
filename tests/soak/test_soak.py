"""A soak of a quarter of a minute: every process of ours is looked at, and the sale is checked as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import soak
from tests.soak.drift import drifts, ended

pytestmark = pytest.mark.slow

PROCESSES = {
    *("store", "room", "room worker 1", "room worker 2", "gate", "gate worker 1", "gate worker 2"),
    *("scaler-1", "scaler-2"),
}


async def test_every_process_is_watched_and_nobody_is_wronged(tmp_path: Path) -> None:
    soaked = await soak(0.25, tmp_path)
    found = drifts(soaked.samples)
    assert {drift.process for drift in found} == PROCESSES
    assert all(drift.memory_kib > 1024 and drift.files >= 3 for drift in found)
    assert ended(soaked.samples) == []
    assert soaked.admitted > 0
    assert {wrong.promise: wrong.evidence for wrong in soaked.wrongs.values() if wrong.count} == {}
