"""One child process of a pool: started so that it dies with us, stopped politely first."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")


async def start_process(command: Sequence[str], log: Path) -> Process:
    """Start a command, its output appended to a file. It leads a process group, so that its own children can be found.

    Raises:
        OSError: the log cannot be opened or the process not be made. A command that does not exist exits with 127 instead.
    """
    descriptor = _open_log(log)
    try:
        return await asyncio.create_subprocess_exec(
            # -I and -S keep the launcher quick, and the environment's PYTHON... variables for the command alone.
            sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *command,
            stdin=DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)


async def stop_process(process: Process, grace_s: float) -> None:
    """Ask a process to end, and end it when it has not after `grace_s`; then end what it left behind."""
    exited = asyncio.ensure_future(process.wait())
    try:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({exited}, timeout=grace_s)
    finally:
        kill_group(process)
        exited.cancel()
    await process.wait()


def kill_group(process: Process) -> None:
    """Kill a process and all of its group, dead or alive."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _open_log(log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
