"""The demo as a whole, as a person starts it: real processes, a real store, a small crowd."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STARTED = "shop behind the gate"


@asynccontextmanager
async def a_demo(report: Path, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", "demo", "--headless", "--report", str(report), *arguments,
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def read_until(process: Process, text: str) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    while text not in (line := (await asyncio.wait_for(process.stdout.readline(), 60)).decode()):
        assert line, f"the demo ended before it said {text!r}: {(await process.stderr.read()).decode()}"


async def test_everyone_who_stays_is_served_and_every_promise_kept(tmp_path: Path) -> None:
    async with a_demo(tmp_path, "--buyers", "60", "--seconds", "6", "--seed", "3") as process:
        output, errors = await asyncio.wait_for(process.communicate(), 240)
    assert (process.returncode, errors.decode()) == (0, ""), output.decode()
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["buyers"], report["joined"], report["left"], report["unserved"]) == (60, 60, 4, 0)
    assert report["served"] == 56
    broken = (
        "lost_places",
        "over_admitted",
        "double_claims",
        "order_violations",
        "shared_sessions",
        "turns_withdrawn",
    )
    assert [report[name] for name in broken] == [0] * 6
    assert (tmp_path / "report.png").exists()
    assert not processes_in(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_an_interruption_stops_everything_without_a_traceback(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with a_demo(tmp_path) as process:
        await read_until(process, STARTED)
        process.send_signal(number)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, errors.decode()) == (130, "interrupted: everything has been stopped\n")
    assert not processes_in(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    async with a_demo(tmp_path) as process:
        await read_until(process, STARTED)
        assert processes_in(tmp_path)
        process.kill()
        await process.communicate()
        await until(lambda: not processes_in(tmp_path))


async def test_a_part_that_dies_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    async with a_demo(tmp_path) as process:
        await read_until(process, STARTED)
        [store] = [pid for pid, command in processes_in(tmp_path).items() if "valkey-server" in command]
        os.kill(store, signal.SIGKILL)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert re.match(
        r"tidegate: store ended with status -9; the end of its log \S+/store\.log:\n  ", errors.decode()
    )
    assert "Traceback" not in errors.decode()
    assert not processes_in(tmp_path)


def processes_in(folder: Path) -> dict[int, str]:
    """Find the processes which work below `folder` or were told of it, by pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if command and int(entry.name) != os.getpid() and str(folder) in f"{command} {place}/":
            found[int(entry.name)] = command
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
