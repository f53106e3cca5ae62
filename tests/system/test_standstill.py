"""Time limits of tests: what is slow exceeds them, and a machine that stands still does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.standstill import within

_ROOT = Path(__file__).parents[2]
_STOPPED = """
import asyncio, os, signal, time
from tests.standstill import within

began_s = time.monotonic()
asked = 0

async def stop_at_first() -> bool:
    global asked
    asked += 1
    if asked == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return time.monotonic() - began_s > 1.0

asyncio.run(within(0.5, stop_at_first))
"""


@pytest.mark.parametrize("blocks", [False, True], ids=["waits", "blocks the loop"])
async def test_an_answer_that_takes_too_long_is_too_late(blocks: bool) -> None:
    async def take_long() -> bool:
        if blocks:
            time.sleep(0.5)  # noqa: ASYNC251  # this is what it is about
        else:
            await asyncio.sleep(0.5)
        return True

    with pytest.raises(AssertionError, match=r"^not within 0\.2 s, but True after "):
        await within(0.2, take_long)


async def test_an_answer_that_stays_no_is_too_late() -> None:
    async def refuse() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"^not within 0\.2 s, but False after "):
        await within(0.2, refuse)


def test_time_for_which_the_machine_stands_still_does_not_count() -> None:
    with subprocess.Popen([sys.executable, "-c", _STOPPED], cwd=_ROOT) as child:
        stopped = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert stopped is not None
        assert stopped.si_code == os.CLD_STOPPED
        time.sleep(1.2)
        child.send_signal(signal.SIGCONT)
        assert child.wait(30) == 0
