"""Rules and pools for tests of the coupling: real scalers and replicas, the real store, a whole room."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import TypeAdapter

from rulebook import Onsale
from tests.autoscaler.pools import APP
from tests.ports import free_row
from tests.stores import Valkey
from tests.system.scalers import WITHIN_S, ScalerProcess
from tests.waitingroom.living import Living

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: %(name)s}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: %(name)s}
  replicas: {min: %(least)d, max: %(most)d}
  interval: 500ms
  signals:
    - %(signal)s
  behavior:
    scaleUp: {policies: [{type: Pods, value: 20, periodSeconds: 1}]}
    scaleDown: {stabilizationWindowSeconds: 0}
  admission: %(admission)s
---
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: %(name)s}
spec:
  command: ["{python}", "%(app)s", "--port", "{port}"]
  ports: {from: %(first)d, to: %(last)d}
  ready: {every: 100ms, timeout: 30s}
"""
BUSY = "{name: busy, exposition: {gauge: busy, aggregate: max}, perReplica: 20}"
PORTS = 8


def write_rule(
    folder: Path, name: str, admission: str, *, least: int = 1, most: int = 4, signal: str = BUSY
) -> None:
    """Write a rule with a pool of its own, both of this name."""
    first = free_row(PORTS)
    values = {
        "name": name, "admission": admission, "least": least, "most": most, "signal": signal, "app": APP,
        "first": first, "last": first + PORTS - 1,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(RULE % values)


def start_scaler(name: str, folder: Path, rules: Path, store: Valkey, *options: str) -> ScalerProcess:
    """Start a scaler for the rules in a folder."""
    return ScalerProcess(name, folder, "--rules", str(rules), "--store", store.url, *options)


def an_onsale(**spec: Any) -> Onsale:
    """An onsale which lets in 50/s, 1/s where no target stands."""
    admission = {"rate": "50/s", "burst": 20, "claimWithin": "1m", "fallbackRate": "1/s"}
    return TypeAdapter(Onsale).validate_python(
        {
            "apiVersion": "tidegate.dev/v1",
            "kind": "Onsale",
            "metadata": {"name": "cactus"},
            "spec": {
                "title": {"en": "Cactus"},
                "shop": "http://127.0.0.1:1/",
                "order": "fifo",
                "protect": [{"path": "/"}],
                "admission": admission,
                "session": {"length": "5m", "max": "10m"},
                **spec,
            },
        }
    )


async def state_when(
    living: Living, condition: Callable[[dict[str, Any]], object], scaler: ScalerProcess | None = None
) -> dict[str, Any]:
    """Wait until the room's public state is as wished; a scaler that ends meanwhile fails the test."""
    end_s = time.monotonic() + WITHIN_S
    async with aiohttp.ClientSession() as http:
        while True:
            if scaler is not None:
                await scaler.ask()
            async with http.get(f"{living.room}/cactus/state") as answer:
                state: dict[str, Any] = await answer.json()
            if condition(state):
                return state
            assert time.monotonic() < end_s, state
