"""The faults: what is done to a site in mid-sale, and when it is over as far as others than Tidegate have a hand in it.

A fault ends when whatever watches over processes, disks and networks has done its part: the killed process has been started
again, the frozen one thawed, the network mended. What follows is recovery.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.relay import Relay
from tests.chaos.runningsite import GATE, ROOM, STORE, Site

FROZEN_S = 10.0
"""How long a frozen process stands still."""
AWAY_S = 6.0
"""How long a store refuses to write, is slow, or is out of reach."""
RESTARTED_AFTER_S = 1.0
"""How long whatever watches over processes takes to start a dead one again."""

_LONG_S = 28.0
"""For how long a crowd has to last where a fault of ten seconds does not stop the release."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `strike` does it and returns when it is over.

    `sale_s` is for how many seconds the crowd lasts at the full rate. `keep_data`: the store writes its data to disk.
    `empties_bucket`: nothing is released while it lasts, and the bucket is empty afterwards. `reaches_shop`: it takes gate or
    shop away, so that those inside may meet failures. `small_disk`: the store's disk has little room.
    """

    name: str
    title: str
    strike: Callable[[Site, random.Random], Awaitable[None]]
    sale_s: float = 16.0
    keep_data: bool = False
    empties_bucket: bool = False
    reaches_shop: bool = False
    small_disk: bool = False

    def skip(self) -> str:
        """Return why it cannot be done here; nothing if it can."""
        if self.small_disk and (os.geteuid() != 0 or shutil.which("unshare") is None):
            return "a small disk can only be mounted by root, with unshare"
        return ""


async def _kill_store(site: Site, dice: random.Random) -> None:
    await site.kill(STORE)
    await asyncio.sleep(RESTARTED_AFTER_S)
    await site.start_store()


async def _kill_workers(site: Site, dice: random.Random) -> None:
    """One after another, each as soon as the one before has a successor that listens."""
    victims = site.workers(ROOM)
    dice.shuffle(victims)
    for victim in victims:
        listening = site.workers_that_listen(ROOM)
        os.kill(victim, signal.SIGKILL)
        if victim is not victims[-1]:
            await site.until(lambda seen=listening: site.workers_that_listen(ROOM) > seen)


async def _kill_gate(site: Site, dice: random.Random) -> None:
    await site.kill(GATE)
    await asyncio.sleep(RESTARTED_AFTER_S)
    await site.start_gate()


async def _kill_leader(site: Site, dice: random.Random) -> None:
    leader = await site.leader()
    await site.kill(leader)
    await asyncio.sleep(RESTARTED_AFTER_S)
    await site.start_scaler(leader)


async def _freeze_store(site: Site, dice: random.Random) -> None:
    await _freeze([site.pid(STORE)])


async def _freeze_worker(site: Site, dice: random.Random) -> None:
    await _freeze([dice.choice(site.workers(ROOM))])


async def _freeze_gate(site: Site, dice: random.Random) -> None:
    await _freeze([site.pid(GATE), *site.workers(GATE)])


async def _freeze_leader(site: Site, dice: random.Random) -> None:
    await _freeze([site.pid(await site.leader())])


async def _freeze(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def _fill_store(site: Site, dice: random.Random) -> None:
    await _configured(site, ("maxmemory", "1mb"), ("maxmemory", "0"))


async def _lose_replicas(site: Site, dice: random.Random) -> None:
    await _configured(site, ("min-replicas-to-write", "1"), ("min-replicas-to-write", "0"))


async def _configured(site: Site, bad: tuple[str, str], good: tuple[str, str]) -> None:
    await site.ask_store("CONFIG", "SET", *bad)
    try:
        await asyncio.sleep(AWAY_S)
    finally:
        await site.ask_store("CONFIG", "SET", *good)


async def _demote_store(site: Site, dice: random.Random) -> None:
    """A replica of a master which is not there: it keeps its data and takes no writes."""
    await site.ask_store("REPLICAOF", "127.0.0.1", site.unused_port)
    try:
        await asyncio.sleep(AWAY_S)
    finally:
        await site.ask_store("REPLICAOF", "NO", "ONE")


async def _slow_store(site: Site, dice: random.Random) -> None:
    relays: list[Relay] = [site.queue_relay, site.scaler_relay]
    for relay in relays:
        relay.delay_s = 0.2
    try:
        await asyncio.sleep(AWAY_S)
    finally:
        for relay in relays:
            relay.delay_s = 0.0


async def _reset_network(site: Site, dice: random.Random) -> None:
    await _cut(site.queue_relay, silently=False)


async def _silence_network(site: Site, dice: random.Random) -> None:
    await _cut(site.queue_relay, silently=True)


async def _cut(relay: Relay, *, silently: bool) -> None:
    relay.cut(silently=silently)
    try:
        await asyncio.sleep(AWAY_S)
    finally:
        relay.mend()


async def _fill_disk(site: Site, dice: random.Random) -> None:
    site.fill_disk()
    try:
        await site.until_store_refuses()
        await asyncio.sleep(AWAY_S)
    finally:
        site.empty_disk()


async def _restart_everything(site: Site, dice: random.Random) -> None:
    """As an upgrade does it: what can overlap overlaps, the rest is stopped in order and started again."""
    await site.replace(ROOM)
    await site.replace(GATE)
    leader = await site.leader()
    for scaler in sorted(site.scalers, key=lambda name: name == leader):
        await site.stop(scaler)
        await site.start_scaler(scaler)
        await site.leader()
    await site.stop(STORE)
    await site.start_store()


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "store-killed", "`kill -9` of the store, which comes back empty", _kill_store, empties_bucket=True
        ),
        Fault(
            "store-killed-data-kept",
            "`kill -9` of the store, which comes back with its data",
            _kill_store,
            keep_data=True,
            empties_bucket=True,
        ),
        Fault("workers-killed", "`kill -9` of each of the room's workers, one after another", _kill_workers),
        Fault(
            "gate-killed",
            "`kill -9` of the gate with all its workers",
            _kill_gate,
            sale_s=22.0,
            reaches_shop=True,
        ),
        Fault(
            "leader-killed",
            "`kill -9` of the leading scaler, whose shop dies with it",
            _kill_leader,
            sale_s=22.0,
            reaches_shop=True,
        ),
        Fault("store-frozen", "the store stands still (SIGSTOP) for 10 s", _freeze_store),
        Fault(
            "worker-frozen",
            "one of the room's two workers, picked at random, stands still for 10 s",
            _freeze_worker,
            sale_s=_LONG_S,
        ),
        Fault(
            "gate-frozen", "the gate stands still for 10 s", _freeze_gate, sale_s=_LONG_S, reaches_shop=True
        ),
        # Its successor brings a shop of its own.
        Fault(
            "leader-frozen",
            "the leading scaler stands still for 10 s",
            _freeze_leader,
            sale_s=_LONG_S,
            reaches_shop=True,
        ),
        Fault("store-full", "the store is full (`maxmemory`, `noeviction`) for 6 s", _fill_store),
        Fault("store-read-only", "the store is made a replica for 6 s, and a master again", _demote_store),
        Fault(
            "store-alone", "the store lacks its replicas (`min-replicas-to-write`) for 6 s", _lose_replicas
        ),
        Fault("store-slow", "the store is 200 ms away each way for 6 s", _slow_store, sale_s=22.0),
        Fault(
            "network-reset",
            "all connections of queue and gate to the store are reset for 6 s",
            _reset_network,
        ),
        Fault(
            "network-silent",
            "nothing passes between queue and store for 6 s, and arrives late",
            _silence_network,
        ),
        Fault(
            "disk-full",
            "the disk of the store's log is full for 6 s",
            _fill_disk,
            keep_data=True,
            small_disk=True,
        ),
        Fault(
            "rolling-restart",
            "room, gate, scalers and store are restarted in order, one after another",
            _restart_everything,
            sale_s=100.0,
            keep_data=True,
            reaches_shop=True,
        ),
    )
}
