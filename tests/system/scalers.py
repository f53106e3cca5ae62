"""Real `tidegate scaler run` processes for tests: several for the same rules, killed, frozen and thawed at will."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
WITHIN_S = 120.0
"""Only ends a test that is lost."""


class ScalerProcess:
    """One scaler; its log goes to a file of its name in `folder`."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        (port,) = free_ports(1)
        self.name = name
        self.log = folder / f"{name}.log"
        self.address = f"127.0.0.1:{port}"
        command = [
            sys.executable,
            "-m",
            "tidegate",
            "scaler",
            "run",
            "--listen",
            self.address,
            "--log-format",
            "json",
        ]
        command += ["--logs", str(folder / name), *arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    async def ask(self) -> dict[str, Any]:
        """Return /status; nothing while it does not answer."""
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"http://{self.address}/status") as response,
            ):
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, OSError, TimeoutError):
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            return {}

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until its status is as wished."""
        end_s = time.monotonic() + WITHIN_S
        while not (status := await self.ask()) or not condition(status):
            assert time.monotonic() < end_s, f"{self.name}: {status}\n{self.log.read_text()[-3000:]}"
            await asyncio.sleep(0.05)
        return status

    async def until_leading(self) -> dict[str, Any]:
        """Wait until it leads, and has made a round of each of its rules."""
        return await self.until(
            lambda status: (
                leads(status)
                and status["rules"]
                and all(rule["last_success_at"] is not None for rule in status["rules"].values())
            )
        )

    async def until_standing_by(self) -> dict[str, Any]:
        """Wait until it knows that another leads."""
        return await self.until(
            lambda status: not leads(status) and holder(status) not in ("", identity(status))
        )

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it does nothing any more, and does not know it."""
        self._process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM, and wait; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, WITHIN_S)

    def end(self) -> None:
        """See that it is gone, whatever became of it."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            self.kill()


def leads(status: dict[str, Any]) -> bool:
    found: bool = status["leadership"]["leading"]
    return found


def holder(status: dict[str, Any]) -> str:
    found: str = status["leadership"]["holder"]
    return found


def identity(status: dict[str, Any]) -> str:
    found: str = status["leadership"]["identity"]
    return found
