"""Two of the faults with real processes: nobody is wronged. P2, P4, P8. How long it takes depends on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.report import Played, told
from tests.chaos.sale import play
from tests.chaos.verdict import judge

pytestmark = pytest.mark.slow

SEED = 7


@pytest.mark.parametrize("name", ["workers-killed", "store-killed"])
async def test_a_fault_in_mid_sale_wrongs_nobody(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    run = await play(fault, SEED, tmp_path)
    verdict = judge(run)
    assert not verdict.wrongs, told(Played(fault, SEED, verdict))
    assert run.struck is not None
    assert len(run.evidence.buyers) == 256
