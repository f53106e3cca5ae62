"""What befalls a sale: a replica or the store is killed with `kill -9`, as a machine that fails does it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from tidegate.demo.errors import DemoError
from tidegate.demo.limits import STARTUP_S
from tidegate.demo.optimum import Setback
from tidegate.demo.scenarios import Blow
from tidegate.demo.stack import Stack

DOWN_S = 2.0
"""How long the store stays down: the time which whatever watches over it takes to start it again."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What befell the sale and when: from the kill until (unix seconds) a new server answered, or a replica could be ready."""

    blow: Blow
    at_s: float
    until_s: float

    def setback(self, opens_s: float) -> Setback:
        """Return what the shop could not do meanwhile, for the optimum."""
        replicas = 1 if self.blow is Blow.REPLICA_KILLED else None
        return Setback(self.at_s - opens_s, self.until_s - opens_s, replicas)


async def strike(blow: Blow, stack: Stack) -> Struck:
    """Do it, and return when it is over as far as physics goes.

    Raises:
        DemoError: there is nothing to kill, or the store does not start again.
    """
    if blow is Blow.REPLICA_KILLED:
        return _kill_replica(stack)
    at_s = time.time()
    await stack.kill_store()
    await asyncio.sleep(DOWN_S)
    await stack.start_store()
    return Struck(blow, at_s, time.time())


def _kill_replica(stack: Stack) -> Struck:
    for address in reversed(stack.endpoints_file.read_text(encoding="utf-8").splitlines()):
        process = _process_at(URL(address).port, stack.served_log)
        if process is not None:
            at_s = time.time()
            os.kill(process, signal.SIGKILL)
            return Struck(Blow.REPLICA_KILLED, at_s, at_s + STARTUP_S)
    raise DemoError("no replica is ready that could be killed")


def _process_at(port: int | None, served_log: Path) -> int | None:
    """Return the process of the replica at a port: the newest whose served log bears it (`shop-PORT-PID.jsonl`)."""
    logs = sorted(served_log.glob(f"shop-{port}-*.jsonl"), key=lambda log: log.stat().st_mtime)
    return int(logs[-1].stem.rpartition("-")[2]) if logs else None
