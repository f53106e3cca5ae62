"""The processes of the local stack: started so that they die with us, each with a log, stopped politely first."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from autoscaler.targets import launcher
from autoscaler.targets.process import stop_process
from tidegate.demo.errors import ChildDied

_TAIL_LINES = 8
_POLL_S = 0.1


class Child:
    """One process. `process.stdout` is a pipe if it was asked for; everything else it prints is in `log`."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        """Take charge of a process that was just started; see `start_child`."""
        self.name = name
        self.process = process
        self.log = log

    @property
    def ended(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self.process.returncode is not None

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            ChildDied: it has ended.
        """
        if self.ended:
            raise ChildDied(f"{self.name} ended with status {self.process.returncode}{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of the log, ready to be put behind a message."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        except OSError:
            lines = []
        return f"; the end of its log {self.log}:\n" + "\n".join(f"  {line}" for line in lines)

    async def wait_until(self, is_ready: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Wait until `is_ready` says so.

        Raises:
            ChildDied: it ended before, or took longer than `within_s`.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        while not await is_ready():
            self.check()
            if asyncio.get_running_loop().time() > deadline:
                raise ChildDied(f"{self.name} was not ready within {within_s:g} s{self.tail()}")
            await asyncio.sleep(_POLL_S)

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, and end it if it has not after `grace_s`."""
        await stop_process(self.process, grace_s)


async def start_child(name: str, command: Sequence[str], folder: Path, *, piped: bool = False) -> Child:
    """Start a command in `folder`, in a session of its own, so that a Ctrl-C at the terminal reaches us alone.

    The kernel kills it should we be killed; the scaler's launcher sees to that.
    """
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command,
            stdin=DEVNULL, stdout=PIPE if piped else output, stderr=output, cwd=folder, start_new_session=True,
        )  # fmt: skip
    return Child(name, process, log)
