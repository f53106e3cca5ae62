"""The local stack: an embedded store, the scaler with its console and the shop's replicas, the waiting room with its gate."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tidegate.demo.access import Access, make_access
from tidegate.demo.children import Child, start_child
from tidegate.demo.documents import DemoDocuments, write_document
from tidegate.demo.embedded import NAME as STORE
from tidegate.demo.embedded import start_store, store_url
from tidegate.demo.ports import HOST, free_port

ROOM_PORT, GATE_PORT, SCALER_PORT, STORE_PORT = 8080, 8081, 8082, 16379
OPENS_AFTER_S = 12.0
POLL_BUDGET_PER_S = 300.0
"""Status requests/s of all waiting buyers together: what a laptop that plays all parts at once has to spare."""

_ROOM_START_S = 2.0
_OPEN_FOR_S = 3600.0
_READY_WITHIN_S = 30.0
_GRACE_S = 10.0
_SCALER_GRACE_S = 20.0  # it waits for its replicas, and they for their checkouts


@dataclass(slots=True)
class Endpoints:
    """Where the parts of the stack listen; known from the moment they are started."""

    room: str = ""
    gate: str = ""
    scaler: str = ""
    store: str = ""

    @property
    def console(self) -> str:
        """Where operators look and act."""
        return f"{self.scaler}/console/"


@dataclass(slots=True)
class Stack:
    """A running stack; `documents` are those in force, `opens_s` is in unix seconds, `keep_data` is whether the store does."""

    documents: DemoDocuments
    folder: Path
    http: aiohttp.ClientSession
    access: Access
    endpoints: Endpoints = field(default_factory=Endpoints)
    opens_s: float = 0.0
    keep_data: bool = False
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def served_log(self) -> Path:
        """The folder in which the shop's replicas log."""
        return self.folder / "served"

    @property
    def endpoints_file(self) -> Path:
        """The file which names the shop's ready replicas."""
        return self.folder / "endpoints"

    def check(self) -> None:
        """Make sure that all processes run.

        Raises:
            ChildDied: one has ended.
        """
        for child in self.children.values():
            child.check()

    async def kill_store(self) -> None:
        """kill -9; from now on `check` does not miss it."""
        child = self.children.pop(STORE)
        child.process.kill()
        await child.process.wait()

    async def start_store(self) -> None:
        """Start the store at its address; what it kept of an earlier run is there again.

        Raises:
            DemoError: it does not start.
        """
        port = int(self.endpoints.store.rpartition(":")[2].removesuffix("/0"))
        self.children[STORE] = await start_store(port, self.folder, keep_data=self.keep_data)

    async def stop(self, name: str, grace_s: float) -> None:
        """Stop a process of the stack, if it is there."""
        if name in self.children:
            await self.children[name].stop(grace_s)

    async def get_json(self, url: str) -> dict[str, Any] | None:
        """Ask a part of the stack; None where it does not answer with 200."""
        try:
            async with self.http.get(url, headers={"Accept": "application/json"}) as response:
                return await response.json() if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None

    async def is_up(self, url: str) -> bool:
        """Tell whether an address answers with 200."""
        try:
            async with self.http.get(url) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False


@asynccontextmanager
async def running_stack(
    documents: DemoDocuments, folder: Path, *, keep_data: bool = False
) -> AsyncIterator[Stack]:
    """Have everything up, the shop's replicas ready and the opening a few seconds ahead; stop it all in the end.

    Raises:
        DemoError: a part does not start.
    """
    async with AsyncExitStack() as closing:
        http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0))
        await closing.enter_async_context(http)
        access = make_access(folder)
        closing.callback(access.forget)
        stack = Stack(documents, folder, http, access, keep_data=keep_data)
        stack.documents = stack.documents.with_folders(stack.served_log, stack.endpoints_file)
        room = free_port(ROOM_PORT)
        stack.endpoints.room, stack.endpoints.gate = _url(room), _url(free_port(max(GATE_PORT, room + 1)))
        stack.endpoints.store = store_url(free_port(STORE_PORT))
        closing.push_async_callback(stack.stop, STORE, _GRACE_S)
        await stack.start_store()
        await _start_scaler(stack, closing)
        await _start_room(stack, closing)
        yield stack


async def _start_scaler(stack: Stack, closing: AsyncExitStack) -> None:
    rules = stack.folder / "rules"
    write_document(stack.documents.rule, rules)
    write_document(stack.documents.pool, rules)
    taken = int(stack.endpoints.gate.rpartition(":")[2])
    stack.endpoints.scaler = _url(free_port(max(SCALER_PORT, taken + 1)))
    command = [
        *_tidegate("scaler", "run"),
        *(
            "--rules",
            str(rules),
            "--store",
            stack.endpoints.store,
            "--listen",
            _listen(stack.endpoints.scaler),
        ),
        *("--console-tokens", str(stack.access.hashes), "--room-admin", stack.endpoints.room),
        *("--room-admin-token-file", str(stack.access.room_secret)),
    ]
    child = await _start(stack, closing, "scaler", command, _SCALER_GRACE_S)
    least = stack.documents.rule.spec.replicas.min

    async def has_replicas() -> bool:
        counts = replica_counts(await stack.get_json(f"{stack.endpoints.scaler}/status"))
        return counts is not None and counts[1] >= least

    await child.wait_until(has_replicas, _READY_WITHIN_S)


async def _start_room(stack: Stack, closing: AsyncExitStack) -> None:
    endpoints = stack.endpoints
    stack.documents = stack.documents.with_shop(f"{endpoints.gate}/")
    now = time.time()
    stack.opens_s = now + _ROOM_START_S + OPENS_AFTER_S
    stack.documents = stack.documents.with_times(now, stack.opens_s, stack.opens_s + _OPEN_FOR_S)
    onsales = stack.folder / "onsales"
    write_document(stack.documents.onsale, onsales)
    command = [
        *_tidegate("queue", "serve"),
        *("--onsales", str(onsales), "--store", endpoints.store, "--keys", str(stack.folder / "keys")),
        *(
            "--listen",
            _listen(endpoints.room),
            "--room-url",
            endpoints.room,
            "--gate",
            _listen(endpoints.gate),
        ),
        *("--upstream-file", str(stack.endpoints_file), "--poll-budget", f"{POLL_BUDGET_PER_S:g}"),
        *("--admin-tokens", str(stack.access.hashes)),
        "--insecure-cookies",
        *("--join-rate", "0"),  # the whole crowd comes from this machine
    ]
    child = await _start(stack, closing, "room", command, _GRACE_S)
    await child.wait_until(lambda: stack.is_up(f"{endpoints.room}/readyz"), _READY_WITHIN_S)


def replica_counts(status: dict[str, Any] | None) -> tuple[int, int] | None:
    """Read (desired, ready) from the scaler's status, None where they are not known yet."""
    for rule in (status or {}).get("rules", {}).values():
        if rule["replicas"] is not None:
            return rule["replicas"], rule["ready"]
    return None


async def _start(
    stack: Stack, closing: AsyncExitStack, name: str, command: list[str], grace_s: float
) -> Child:
    closing.push_async_callback(stack.stop, name, grace_s)
    child = stack.children[name] = await start_child(name, command, stack.folder)
    return child


def _tidegate(*command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tidegate", *command)


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _listen(url: str) -> str:
    return url.removeprefix("http://")
