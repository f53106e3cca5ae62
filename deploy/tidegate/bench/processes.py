"""How much processor time a process has used, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.bench.errors import BenchError

_PROC = Path("/proc")
_USER_TIME, _SYSTEM_TIME = 11, 12  # fields behind the name, counted from 0


def cpu_s(pid: int) -> float:
    """Return the seconds which a process and those that it started, and which still run, have used.

    Raises:
        BenchError: this is not Linux, or there is no such process.
    """
    try:
        # The name may hold anything, a bracket too: what follows begins behind the last one.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        children = (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    except OSError as error:
        raise BenchError(f"cannot tell the processor time of process {pid}: {error}") from error
    ticks = int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
    return ticks / os.sysconf("SC_CLK_TCK") + sum(cpu_s(int(child)) for child in children)
