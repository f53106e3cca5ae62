"""Everything of a running site as processes of its own, each killed, frozen, stopped and started again at will.

One room of two workers, a gate of two workers before the shop, two scalers with a lease in the store, the demo's shop as their
replicas, and a store behind relays. It knows nothing of crowds, and not what is to be checked.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from tests.autoscaler.pools import free_ports as consecutive_ports
from tests.chaos.relay import Relay, relaying
from tests.chaos.watching import children_of
from tests.ports import free_ports
from tidegate.demo.access import make_access
from tidegate.demo.children import Child, start_child
from tidegate.demo.documents import DemoDocuments, write_document
from tidegate.demo.embedded import start_store, store_url
from tidegate.demo.stack import Endpoints, Stack, replica_counts

STORE, ROOM, GATE = "store", "room", "gate"
SCALERS = ("scaler-1", "scaler-2")
TIDEGATE = ("-m", "tidegate")
WORKERS = 2
LEASE_S = 3.0

_POLL_BUDGET_PER_S = 100.0
_WITHIN_S = 120.0  # only ends a run that is lost
_GRACE_S = 20.0
_POLL_S = 0.05
_POOL_PORTS = 12
_OPEN_FOR_S = 3600.0
_SMALL_DISK_BYTES = 2 << 20
_BALLAST = "ballast"
_DATA_READ = "DB loaded from append only file"


class SiteError(Exception):
    """The site cannot be set up, or did not come to be as it should in time."""


@dataclass(slots=True)
class Site:
    """A running site. `stack` is its face for what the demo has: documents in force, addresses, processes."""

    stack: Stack
    keep_data: bool
    small_disk: bool
    queue_relay: Relay
    scaler_relay: Relay
    unused_port: int
    scaler_urls: dict[str, str]
    program: Sequence[str] = TIDEGATE
    generations: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where logs, documents, keys and the store's data lie."""
        return self.stack.folder

    @property
    def scalers(self) -> list[str]:
        """The names of the scalers."""
        return list(self.scaler_urls)

    def pid(self, name: str) -> int:
        """Return the process of a part (the parent of its workers)."""
        return self.stack.children[name].process.pid

    def workers(self, name: str) -> list[int]:
        """Return the workers of room or gate."""
        return children_of(self.pid(name))

    def processes(self) -> list[int]:
        """Return every process that serves: the parts, and the workers of room and gate."""
        parts = [self.pid(name) for name in (STORE, ROOM, GATE, *self.scalers)]
        return [*parts, *self.workers(ROOM), *self.workers(GATE)]

    def workers_that_listen(self, name: str) -> int:
        """Return how many workers have said so far that they listen, the dead ones among them."""
        return self.stack.children[name].log.read_text(encoding="utf-8").count(f"{name}_listening")

    async def until(
        self, awaited: str, condition: Callable[[], object | Awaitable[object]], *, of: Sequence[str] = ()
    ) -> None:
        """Wait until it is as wished. `awaited` says what, to follow "waited for"; the logs of the parts it is `of` tell why not.

        Raises:
            SiteError: it never was.
            ChildDied: a process ended meanwhile that nobody has killed or stopped.
        """
        deadline = time.monotonic() + _WITHIN_S
        while True:
            met = condition()
            if await met if isinstance(met, Awaitable) else met:
                return
            self.stack.check()
            if time.monotonic() > deadline:
                logs = "".join(self.stack.children[name].tail() for name in of if name in self.stack.children)
                raise SiteError(f"waited for {awaited}, in vain for {_WITHIN_S:g} s{logs}")
            await asyncio.sleep(_POLL_S)

    async def until_workers_listen(self, name: str, count: int = WORKERS) -> None:
        """Wait until so many workers of room or gate have said that they listen.

        Raises:
            SiteError: they never did.
            ChildDied: a process ended meanwhile.
        """
        awaited = f"{count} workers of the {name} to listen"
        await self.until(awaited, lambda: self.workers_that_listen(name) >= count, of=[name])

    def open_in(self, seconds: float) -> None:
        """Move the opening, and have people join from now on; room and gate follow within a second or two."""
        now = time.time()
        self.stack.opens_s = now + seconds
        self.stack.documents = self.stack.documents.with_times(
            now, self.stack.opens_s, self.stack.opens_s + _OPEN_FOR_S
        )
        # Written beside, and moved there whole: room and gate look at the folder all the time.
        write_document(self.stack.documents.onsale, self.folder / "drafts")
        (draft,) = (self.folder / "drafts").iterdir()
        (self.folder / "onsales").mkdir(exist_ok=True)
        draft.replace(self.folder / "onsales" / draft.name)

    async def kill(self, name: str) -> None:
        """kill -9; from now on nobody misses it."""
        child = self.stack.children.pop(name)
        child.process.kill()
        await child.process.wait()

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait until it has ended; from now on nobody misses it."""
        child = self.stack.children.pop(name)
        await child.stop(_GRACE_S)

    async def start_store(self) -> None:
        """Start the store at its address, and return when it answers."""
        port = int(self.stack.endpoints.store.rpartition(":")[2].removesuffix("/0"))
        within = _on_a_small_disk(self.folder / STORE) if self.small_disk else []
        (self.folder / STORE).mkdir(exist_ok=True)
        self.stack.children[STORE] = await start_store(
            port, self.folder / STORE, keep_data=self.keep_data, within=within
        )

    async def ask_store(self, *command: object) -> Any:
        """Send one command to the store itself, past the relays."""
        async with Redis.from_url(self.stack.endpoints.store, decode_responses=True) as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    def fill_disk(self) -> None:
        """Leave no byte free on the store's small disk."""
        # Only the store sees its disk, so the way there leads through its process.
        ballast = Path(f"/proc/{self.pid(STORE)}/root{self.folder / STORE}") / _BALLAST
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def empty_disk(self) -> None:
        """Make room again."""
        (Path(f"/proc/{self.pid(STORE)}/root{self.folder / STORE}") / _BALLAST).unlink()

    async def until_store_refuses(self) -> None:
        """Wait until the store has noticed that it cannot write its log."""

        async def refuses() -> bool:
            about: dict[str, object] = await self.ask_store("INFO", "persistence")
            return about["aof_last_write_status"] == "err"

        await self.until("the store to notice that its disk is full", refuses, of=[STORE])

    async def refusals(self, error: str) -> int:
        """Return how many commands the store has refused with this error (`OOM`, `READONLY`, ...) since it was started."""
        about: dict[str, dict[str, int]] = await self.ask_store("INFO", "errorstats")
        return about.get(f"errorstat_{error}", {}).get("count", 0)

    def data_was_read(self) -> int:
        """Return how often the store has said so far that it read its data when it was started."""
        # Its log goes on over all starts, and tells before it says that it is ready.
        log = self.stack.children[STORE].log
        return log.read_text(encoding="utf-8", errors="replace").count(_DATA_READ)

    async def start_room(self) -> None:
        """Start the room; it may not serve yet."""
        await self._start_queue(ROOM, "--listen", _listen(self.stack.endpoints.room))

    async def start_gate(self) -> None:
        """Start the gate; it may not serve yet."""
        (own,) = free_ports(1)
        shop = (
            "--gate",
            _listen(self.stack.endpoints.gate),
            "--upstream-file",
            str(self.stack.endpoints_file),
        )
        await self._start_queue(GATE, "--listen", f"127.0.0.1:{own}", *shop)

    async def _start_queue(self, name: str, *listening: str) -> None:
        store = f"redis://127.0.0.1:{self.queue_relay.port}/0"
        options = [
            *(
                "--onsales",
                str(self.folder / "onsales"),
                "--keys",
                str(self.folder / "keys"),
                "--store",
                store,
            ),
            *("--room-url", self.stack.endpoints.room, "--workers", str(WORKERS)),
            *("--poll-budget", f"{_POLL_BUDGET_PER_S:g}", "--insecure-cookies"),
            *("--join-rate", "0"),  # the whole crowd comes from this machine
        ]
        await self._start(name, "queue", "serve", *options, *listening)

    async def start_scaler(self, name: str) -> None:
        """Start a scaler; it may not lead, or know who does, yet."""
        store = f"redis://127.0.0.1:{self.scaler_relay.port}/0"
        await self._start(
            name,
            *("scaler", "run", "--rules", str(self.folder / "rules"), "--store", store),
            *("--leader", "store", "--lease-duration", f"{LEASE_S:g}"),
            *("--listen", _listen(self.scaler_urls[name]), "--logs", str(self.folder / f"{name}-shop")),
        )

    async def _start(self, name: str, *command: str) -> None:
        # Each start has a log of its own: who waits for its words does not read those of the one before.
        number = next(self.generations.setdefault(name, itertools.count(1)))
        self.stack.children[name] = await start_child(
            f"{name}.{number}", [sys.executable, *self.program, *command], self.folder
        )

    async def replace(self, name: str) -> None:
        """Start a successor of room or gate beside it on the same address, and stop it once that one serves."""
        old: Child = self.stack.children.pop(name)
        try:
            await (self.start_room() if name == ROOM else self.start_gate())
            await self.until_workers_listen(name)
        finally:
            await old.stop(_GRACE_S)

    async def leader(self) -> str:
        """Return the name of the scaler that leads, as soon as one does.

        Raises:
            SiteError: none does.
            ChildDied: a process ended meanwhile.
        """
        found: list[str] = []

        async def is_there() -> bool:
            for name, url in self.scaler_urls.items():
                status = await self.stack.get_json(f"{url}/status")
                if status is not None and status["leadership"]["leading"]:
                    found.append(name)
            return bool(found)

        await self.until("a scaler to lead", is_there, of=self.scalers)
        return found[0]

    async def end(self) -> None:
        """Stop everything, the shop before the store."""
        for name in (*SCALERS, GATE, ROOM, STORE):
            if name in self.stack.children:
                await self.stop(name)


@asynccontextmanager
async def running_site(
    documents: DemoDocuments,
    folder: Path,
    *,
    keep_data: bool = False,
    small_disk: bool = False,
    program: Sequence[str] = TIDEGATE,
) -> AsyncIterator[Site]:
    """Have everything up, the shop's replicas ready, and the opening far ahead; stop it all in the end.

    `program` is what Python runs as `tidegate`.

    Raises:
        SiteError: a part does not come up.
        DemoError: a process died.
    """
    async with AsyncExitStack() as closing:
        http = await closing.enter_async_context(
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=2.0), connector=aiohttp.TCPConnector(force_close=True)
            )
        )
        store, room, gate, unused, *scalers = free_ports(4 + len(SCALERS))
        access = make_access(folder)
        closing.callback(access.forget)
        stack = Stack(documents, folder, http, access, keep_data=keep_data)
        scaler_urls = {name: _url(port) for name, port in zip(SCALERS, scalers, strict=True)}
        stack.endpoints = Endpoints(_url(room), _url(gate), scaler_urls[SCALERS[0]], store_url(store))
        stack.documents = documents.with_folders(stack.served_log, stack.endpoints_file)
        stack.documents = _with_ports(stack.documents, consecutive_ports(_POOL_PORTS), _POOL_PORTS)
        stack.documents = stack.documents.with_shop(f"{stack.endpoints.gate}/")
        relays = [await closing.enter_async_context(relaying(store)) for _ in range(2)]
        site = Site(stack, keep_data, small_disk, relays[0], relays[1], unused, scaler_urls, program)
        closing.push_async_callback(site.end)
        await site.start_store()
        await _start_all(site)
        yield site


def _with_ports(documents: DemoDocuments, first: int, count: int) -> DemoDocuments:
    """Have the shop's replicas listen on so many ports from `first` on."""
    spec = documents.pool.spec
    ports = spec.ports.model_copy(update={"first": first, "last": first + count - 1})
    pool = documents.pool.model_copy(update={"spec": spec.model_copy(update={"ports": ports})})
    return replace(documents, pool=pool)


async def _start_all(site: Site) -> None:
    stack = site.stack
    for document in (stack.documents.rule, stack.documents.pool):
        write_document(document, site.folder / "rules")
    for name in site.scalers:
        await site.start_scaler(name)
    least = stack.documents.rule.spec.replicas.min

    async def shop_is_up() -> bool:
        counts = [replica_counts(await stack.get_json(f"{url}/status")) for url in site.scaler_urls.values()]
        return any(count is not None and count[1] >= least for count in counts)

    await site.until(f"{least} replicas of the shop to be ready", shop_is_up, of=site.scalers)
    # The sale is far ahead until everything is up: how long that takes depends on the machine.
    site.open_in(_OPEN_FOR_S)
    await site.start_room()
    await site.until_workers_listen(ROOM)
    await site.start_gate()  # after the room, which has made the keys
    await site.until_workers_listen(GATE)


def _on_a_small_disk(folder: Path) -> list[str]:
    """Return a command which runs another with a disk of a few megabytes at `folder`, gone with the process."""
    mount = f'mount -t tmpfs -o size={_SMALL_DISK_BYTES} tidegate "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, str(folder)]


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _listen(url: str) -> str:
    return url.removeprefix("http://")
