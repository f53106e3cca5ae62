"""A sale that goes on while its store fails over: two processes, buyers who join one after another, and what must hold then."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from rulebook import Onsale
from tests.waitingroom.samples import KEYRING, device, settings
from waitingroom.ending import end_tasks
from waitingroom.errors import StoreUnavailable
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.standing import State
from waitingroom.store.client import ClaimOutcome, OnsaleStore
from waitingroom.store.connect import StoreClient, connect

WITHIN_S = 300.0
"""Sentinels do nothing for half a minute when they find themselves late (TILT), and on a busy machine they do, more than once."""
_MOST_WAITING = 100

log = logging.getLogger(__name__)


async def eventually(
    condition: Callable[[], object], within_s: float = WITHIN_S, *, every_s: float = 0.01
) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(every_s)


async def sell(client: StoreClient, name: str = "cactus") -> None:
    """Have one buyer go all the way."""
    store = OnsaleStore(client, name, settings(rate="1000.0"))
    (place,) = await store.join([device(1)])
    while (await store.advance()).released < 1:
        pass
    claim = await store.claim(place.epoch, place.number, "session", 60, 300)
    assert claim.outcome is ClaimOutcome.ADMITTED
    assert await store.end(["session"]) == {"session": True}


@dataclass
class Sale:
    """The processes of one onsale over the store at `url`, and everybody who has joined."""

    url: str
    document: Onsale
    places: list[Place] = field(default_factory=list)
    first_device: int = 1
    refreshed_at_s: float = 0.0
    unavailable: set[str] = field(default_factory=set)

    async def __aenter__(self) -> "Sale":
        self.clients = [connect(self.url, timeout_s=1.0) for _ in range(2)]
        self.rooms = [
            Room(
                self.document,
                OnsaleStore(client, self.document.name, room_settings(self.document)),
                KEYRING,
                poll_budget_per_s=1_000,
            )
            for client in self.clients
        ]
        self._tasks = [asyncio.create_task(self._keep_moving(room)) for room in self.rooms]
        self._joining = asyncio.create_task(self._keep_joining())
        return self

    async def __aexit__(self, *exception: object) -> None:
        await end_tasks([*self._tasks, self._joining])
        for client in self.clients:
            await client.aclose()

    async def _keep_moving(self, room: Room) -> None:
        while True:
            try:
                await room.refresh()
                self.refreshed_at_s = time.monotonic()
            except StoreUnavailable as error:
                self.unavailable.add(str(error))
            await asyncio.sleep(0.05)

    async def _keep_joining(self) -> None:
        """A buyer whom the store did not answer asks again with the same device, as the page does.

        Only so many wait that the line is served within seconds once the doors are closed, however long the failover took.
        """
        number = self.first_device
        while True:
            room = self.rooms[number % 2]
            if room.snapshot is not None and room.snapshot.waiting >= _MOST_WAITING:
                await asyncio.sleep(0.05)
                continue
            with suppress(StoreUnavailable):
                _, place = await room.join(device(number))
                self.places.append(place)
                number += 1
            await asyncio.sleep(0.01)

    @property
    def released(self) -> int:
        """Positions released, as the first process has it."""
        return self.rooms[0].snapshot.released if self.rooms[0].snapshot else 0

    @property
    def epochs(self) -> set[int]:
        return {place.epoch for place in self.places}

    def told(self) -> list[Place]:
        """Everybody who has been told that it is their turn."""
        room = self.rooms[0]
        known = [place for place in self.places if room.snapshot and room.snapshot.line(place.epoch)]
        return [place for place in known if room.standing(place).state is State.RELEASED]

    async def recover(self, since_s: float) -> None:
        """Wait until a new epoch gives numbers and somebody of the line is released again; note how long it took."""
        before, released = set(self.epochs), self.released
        await eventually(lambda: self.epochs - before)
        joined_s = time.monotonic() - since_s
        await eventually(lambda: self.released > released)
        log.info("recovered: joins after %.2f s, releases after %.2f s", joined_s, time.monotonic() - since_s)

    async def close_doors(self) -> None:
        """Let nobody join any more, and have everybody's place known."""
        await end_tasks([self._joining])
        # In the first seconds of an epoch a room goes on telling its copy of before, which knows nothing of the new places.
        await eventually(lambda: all(self._knows_all_epochs(room) for room in self.rooms))
        seen = self.refreshed_at_s
        await eventually(lambda: self.refreshed_at_s > seen)

    def _knows_all_epochs(self, room: Room) -> bool:
        return room.snapshot is not None and all(room.snapshot.line(epoch) for epoch in self.epochs)

    async def check(self, told_before: list[Place], *, one_master: bool = True) -> None:
        """Nobody lost, no number twice, order kept, and everybody gets in.

        Where two servers were masters for a moment, processes may have joined buyers on both by turns: then the order is that of
        the places, not of the time.
        """
        await self.close_doors()
        places = sorted(self.places, key=lambda place: (place.epoch, place.number))
        assert len({(place.epoch, place.number) for place in places}) == len(places)
        if one_master:
            assert places == self.places
        for room in self.rooms:
            standings = [room.standing(place) for place in places]
            waiting = [standing.ahead or 0 for standing in standings if standing.state is State.WAITING]
            assert waiting == sorted(waiting)
            assert len(set(waiting)) == len(waiting)
            first = next(
                (n for n, standing in enumerate(standings) if standing.state is State.WAITING), len(places)
            )
            assert all(standing.state is State.WAITING for standing in standings[first:])
            assert {room.standing(place).state for place in told_before} <= {State.RELEASED}
        await eventually(lambda: all(room.snapshot and room.snapshot.waiting == 0 for room in self.rooms))
        # A place that only the former master knew is put back by the processes, a turn or two later.
        await eventually(lambda: len(self.told()) == len(places), every_s=0.1)
        for place in places:
            claim = await self.rooms[place.number % 2].claim(place)
            assert claim.outcome is ClaimOutcome.ADMITTED
        again = await self.rooms[0].claim(places[0])
        assert again.outcome is ClaimOutcome.AGAIN
