"""The faults: what is done to a site in mid-sale, and when it is over as far as others than Tidegate have a hand in it.

A fault ends when whatever watches over processes, disks and networks has done its part: the killed process has been started
again, the frozen one thawed, the network mended. What follows is recovery. Each is looked at while it lasts, so that a sale in
which it did not take hold is not taken for one that survived it.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.effects import Effect, came_back, cut_off, refused, replaced, slowed, stood_still
from tests.chaos.relay import Relay
from tests.chaos.runningsite import GATE, ROOM, STORE, Site
from tests.chaos.watching import children_of, left_in_the_end, left_of, ping, state_of

FROZEN_S = 10.0
"""How long a frozen process stands still."""
AWAY_S = 6.0
"""How long a store refuses to write, is slow, or is out of reach."""
SLOW_S = 0.2
"""How long each byte takes, each way, to a store that is slow."""
RESTARTED_AFTER_S = 1.0
"""How long whatever watches over processes takes to start a dead one again."""

_LONG_S = 28.0
"""For how long a crowd has to last where a fault of ten seconds does not stop the release."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. `strike` does it, and returns when it is over what was seen of it.

    `sale_s` is for how many seconds the crowd lasts at the full rate. `keep_data`: the store writes its data to disk.
    `empties_bucket`: nothing is released while it lasts, and the bucket is empty afterwards. `reaches_shop`: it takes gate or
    shop away, so that those inside may meet failures. `small_disk`: the store's disk has little room.
    """

    name: str
    title: str
    strike: Callable[[Site, random.Random], Awaitable[Effect]]
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


async def _kill_store(site: Site, dice: random.Random) -> Effect:
    killed, read = [site.pid(STORE)], site.data_was_read()
    await site.kill(STORE)
    await asyncio.sleep(RESTARTED_AFTER_S)
    left = left_of(killed)
    await site.start_store()
    effect = replaced(killed, left, [site.pid(STORE)])
    return came_back(effect, with_data=site.data_was_read() > read, as_meant=site.keep_data)


async def _kill_workers(site: Site, dice: random.Random) -> Effect:
    """One after another, each as soon as the one before has a successor that listens."""
    victims = site.workers(ROOM)
    dice.shuffle(victims)
    for victim in victims:
        listening = site.workers_that_listen(ROOM)
        os.kill(victim, signal.SIGKILL)
        if victim is not victims[-1]:
            await site.until_workers_listen(ROOM, listening + 1)
    left = await left_in_the_end(victims)
    return replaced(victims, left, site.workers(ROOM))


async def _kill_gate(site: Site, dice: random.Random) -> Effect:
    killed = [site.pid(GATE), *site.workers(GATE)]
    await site.kill(GATE)
    await asyncio.sleep(RESTARTED_AFTER_S)
    left = left_of(killed)
    await site.start_gate()
    return replaced(killed, left, [site.pid(GATE)])


async def _kill_leader(site: Site, dice: random.Random) -> Effect:
    leader = await site.leader()
    killed = [site.pid(leader), *children_of(site.pid(leader))]  # with its shop
    await site.kill(leader)
    await asyncio.sleep(RESTARTED_AFTER_S)
    left = left_of(killed)
    await site.start_scaler(leader)
    return replaced(killed, left, [site.pid(leader)])


async def _freeze_store(site: Site, dice: random.Random) -> Effect:
    return await _freeze([site.pid(STORE)])


async def _freeze_worker(site: Site, dice: random.Random) -> Effect:
    return await _freeze([dice.choice(site.workers(ROOM))])


async def _freeze_gate(site: Site, dice: random.Random) -> Effect:
    return await _freeze([site.pid(GATE), *site.workers(GATE)])


async def _freeze_leader(site: Site, dice: random.Random) -> Effect:
    return await _freeze([site.pid(await site.leader())])


async def _freeze(pids: list[int]) -> Effect:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_S)
        return stood_still([state_of(pid) for pid in pids])
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def _fill_store(site: Site, dice: random.Random) -> Effect:
    return await _configured(site, ("maxmemory", "1mb"), ("maxmemory", "0"), "OOM")


async def _lose_replicas(site: Site, dice: random.Random) -> Effect:
    setting = "min-replicas-to-write"
    return await _configured(site, (setting, "1"), (setting, "0"), "NOREPLICAS")


async def _configured(site: Site, bad: tuple[str, str], good: tuple[str, str], error: str) -> Effect:
    before = await site.refusals(error)
    await site.ask_store("CONFIG", "SET", *bad)
    try:
        await asyncio.sleep(AWAY_S)
        return refused(error, await site.refusals(error) - before)
    finally:
        await site.ask_store("CONFIG", "SET", *good)


async def _demote_store(site: Site, dice: random.Random) -> Effect:
    """A replica of a master which is not there: it keeps its data and takes no writes."""
    before = await site.refusals("READONLY")
    await site.ask_store("REPLICAOF", "127.0.0.1", site.unused_port)
    try:
        await asyncio.sleep(AWAY_S)
        return refused("READONLY", await site.refusals("READONLY") - before)
    finally:
        await site.ask_store("REPLICAOF", "NO", "ONE")


async def _slow_store(site: Site, dice: random.Random) -> Effect:
    relays: list[Relay] = [site.queue_relay, site.scaler_relay]
    carried = [relay.passed_bytes for relay in relays]
    for relay in relays:
        relay.delay_s = SLOW_S
    try:
        *answers_s, _ = await asyncio.gather(*(ping(relay.port) for relay in relays), asyncio.sleep(AWAY_S))
    finally:
        for relay in relays:
            relay.delay_s = 0.0
    return slowed(answers_s, carried, SLOW_S)


async def _reset_network(site: Site, dice: random.Random) -> Effect:
    return await _cut(site.queue_relay, silently=False)


async def _silence_network(site: Site, dice: random.Random) -> Effect:
    return await _cut(site.queue_relay, silently=True)


async def _cut(relay: Relay, *, silently: bool) -> Effect:
    carried = relay.passed_bytes
    relay.cut(silently=silently)
    try:
        answered_s, _ = await asyncio.gather(ping(relay.port), asyncio.sleep(AWAY_S))
        return cut_off(answered_s, carried, relay.passed_bytes - carried)
    finally:
        relay.mend()


async def _fill_disk(site: Site, dice: random.Random) -> Effect:
    before = await site.refusals("MISCONF")
    site.fill_disk()
    try:
        await site.until_store_refuses()
        await asyncio.sleep(AWAY_S)
        return refused("MISCONF", await site.refusals("MISCONF") - before)
    finally:
        site.empty_disk()


async def _restart_everything(site: Site, dice: random.Random) -> Effect:
    """As an upgrade does it: what can overlap overlaps, the rest is stopped in order and started again."""
    before = site.processes()
    await site.replace(ROOM)
    await site.replace(GATE)
    leader = await site.leader()
    for scaler in sorted(site.scalers, key=lambda name: name == leader):
        await site.stop(scaler)
        await site.start_scaler(scaler)
        await site.leader()
    await site.stop(STORE)
    await site.start_store()
    return replaced(before, await left_in_the_end(before), site.processes())


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
