"""The stack's processes: told of when they end early, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.demo.children import start_child
from tidegate.demo.errors import ChildDied

SLEEPER = "import time; time.sleep(600)"


async def never() -> bool:
    return False


async def test_a_child_that_ends_early_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    script = "import sys; print('first'); sys.exit('port 8080 is busy')"
    child = await start_child("room", [sys.executable, "-c", script], tmp_path)
    with pytest.raises(ChildDied) as caught:
        await child.wait_until(never, within_s=20)
    assert str(caught.value).splitlines() == [
        f"room ended with status 1; the end of its log {tmp_path / 'room.log'}:",
        "  first",
        "  port 8080 is busy",
    ]


async def test_only_the_last_lines_of_a_long_log_are_told(tmp_path: Path) -> None:
    child = await start_child("room", [sys.executable, "-c", "for n in range(99): print(n)"], tmp_path)
    await child.process.wait()
    assert [text.strip() for text in child.tail().splitlines()[1:]] == [str(n) for n in range(91, 99)]


async def test_a_child_that_never_becomes_ready_is_told(tmp_path: Path) -> None:
    child = await start_child("scaler", [sys.executable, "-c", SLEEPER], tmp_path)
    with pytest.raises(ChildDied, match=r"scaler was not ready within 0.2 s; the end of its log"):
        await child.wait_until(never, within_s=0.2)
    await child.stop(grace_s=5)


async def test_a_running_child_passes_the_check_and_a_stopped_one_does_not(tmp_path: Path) -> None:
    child = await start_child("room", [sys.executable, "-c", SLEEPER], tmp_path)
    child.check()
    await child.stop(grace_s=5)
    assert child.ended
    with pytest.raises(ChildDied, match="room ended with status -15"):
        child.check()


async def test_a_child_that_does_not_listen_is_ended_all_the_same(tmp_path: Path) -> None:
    script = (
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEPER}"
    )
    child = await start_child("room", [sys.executable, "-c", script], tmp_path)
    await until(lambda: "deaf" in child.log.read_text())
    await child.stop(grace_s=0.1)
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib, sys
from tidegate.demo.children import start_child

async def main():
    child = await start_child("child", [sys.executable, "-c", {SLEEPER!r}], pathlib.Path({str(tmp_path)!r}))
    print(child.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 60))
    assert is_alive(child)
    parent.kill()
    await parent.communicate()
    await until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # One that has ended and whom nobody has waited for yet is dead too.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
