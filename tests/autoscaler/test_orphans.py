"""Replicas die with the scaler, however it ends."""

import asyncio
import sys
from pathlib import Path

from autoscaler.targets import launcher
from tests.autoscaler.fakes import until
from tests.autoscaler.pools import endpoints
from tests.ports import free_row, is_free

ROOT = Path(__file__).parents[2]


async def test_replicas_die_when_their_parent_is_killed(tmp_path: Path) -> None:
    first = free_row(2)
    arguments = ("-m", "tests.autoscaler.orphan_maker", str(tmp_path), str(first), "2")
    parent = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    file = tmp_path / "endpoints"
    await until(lambda: file.exists() and len(endpoints(tmp_path)) == 2)
    parent.kill()
    await parent.wait()
    await until(lambda: is_free(first) and is_free(first + 1))


async def test_a_command_is_not_started_when_its_parent_is_gone_already(tmp_path: Path) -> None:
    marker = tmp_path / "started"
    nobody = "1" if sys.platform != "linux" else "4194305"
    arguments = ("-I", "-S", launcher.__file__, nobody, "/bin/sh", "-c", f"echo > {marker}")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    assert await process.wait() == launcher.CANNOT_START
    assert not marker.exists()
