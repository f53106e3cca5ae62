"""The room's one path to the store: each call is one atomic script, one round trip.

A server that doesn't know the scripts, or has no data, is entered first (see `server`): it may begin a new epoch. Errors of the
client library and of the network come out as `StoreUnavailable`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from redis.exceptions import RedisError, ResponseError

from rulebook.coupling import US_PER_S
from waitingroom.counts import StoreCalls
from waitingroom.errors import JoinRefused, StoreUnavailable
from waitingroom.moves import Holder, Moves
from waitingroom.snapshot import Snapshot, read_snapshot
from waitingroom.store.connect import StoreClient
from waitingroom.store.holders import HolderStore, described
from waitingroom.store.memory import Memory
from waitingroom.store.server import Scripts, UnknownServer

EndKind: TypeAlias = Literal["complete", "abandon"]
"""How a shop ends a session: the buyer has bought, or has left."""

_REFUSALS = {"NOTYET": "not yet", "CLOSED": "closed"}


class ClaimOutcome(StrEnum):
    """What became of a claim; the meanings stand in claim.lua."""

    ADMITTED = "admitted"
    AGAIN = "again"
    ENDED = "ended"
    WAITING = "waiting"
    LATE = "late"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Claim:
    """The outcome of a claim at store time `at_s`: the session's end and its hard end, 0 where there is none.

    The hard end counts from the first claim: claiming again moves neither.
    """

    outcome: ClaimOutcome
    at_s: float
    expires_at_s: float = 0.0
    ends_at_s: float = 0.0


class SessionTimes(NamedTuple):
    """When a session ends unless it is renewed, and its hard end (unix seconds)."""

    expires_at_s: float
    ends_at_s: float


class Numbered(NamedTuple):
    """A number given by the store, at store time `at_ms`."""

    epoch: int
    number: int
    at_ms: int


class OnsaleStore:
    """One onsale's counters. `settings` are the room hash's fields as `roomsettings.room_settings` makes them.

    `process` names this process to the others; after a loss of data the store waits until each has told its live sessions.
    `calls` is where this process counts its calls.
    """

    def __init__(
        self,
        client: StoreClient,
        onsale: str,
        settings: Mapping[str, str],
        process: str = "",
        calls: StoreCalls | None = None,
    ) -> None:
        self._calls = calls or StoreCalls()
        self._settings = dict(settings)
        self._process = process or secrets.token_hex(8)
        self._scripts = Scripts(client, f"{{{onsale}}}:room", onsale)
        self._memory = Memory()
        self.moves = Moves()
        self.holders = HolderStore(self._run, self._memory)

    async def configure(self, settings: Mapping[str, str] | None = None) -> Snapshot:
        """Put settings in force from now on; once somebody has joined, all but `order` and `beacon_source`.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        if settings is not None:
            self.keep_settings(settings)
        return self._snapshot(await self._run("configure", _flatten(self._settings)))

    def keep_settings(self, settings: Mapping[str, str]) -> None:
        """Note the settings with which a server without data is entered; nothing is put in force now."""
        self._settings = dict(settings)

    async def advance(self, restored_epoch: int = 0) -> Snapshot:
        """Release what is due and return the counters; what the store is seen to have lost is put back.

        `restored_epoch` is the newest epoch to which this process has told its live sessions.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        arguments = [
            self._process,
            str(restored_epoch),
            self._memory.offer_if_behind(),
            str(self.moves.heard),
        ]
        flat = await self._run("advance", arguments)
        snapshot = self._snapshot(flat)
        told = dict(zip(flat[::2], flat[1::2], strict=True))
        self.moves.hear(snapshot.epoch, int(told["moves"]), read_moves(told.get("moved", "")))
        return snapshot

    async def join(self, devices: Sequence[str]) -> list[Numbered]:
        """Give numbers to devices, in their order. A nonce holds no space.

        Raises:
            StoreUnavailable: the store did not answer; a device which asks again gets the number it may have been given.
            JoinRefused: joining has not begun or is over.
        """
        at_us, *places = (await self._run("join", [" ".join(devices)])).split(" ")
        at_ms = int(float(at_us)) // 1000
        numbered = []
        highest: dict[int, int] = {}
        for place in places:
            of_epoch, _, of_number = place.partition(":")
            epoch, number = int(of_epoch), int(of_number)
            numbered.append(Numbered(epoch, number, at_ms))
            if number > highest.get(epoch, 0):
                highest[epoch] = number
        for epoch, number in highest.items():
            self._memory.see_place(epoch, number)
        return numbered

    async def claim(
        self,
        epoch: int,
        position: int,
        session: str,
        length_s: float,
        longest_s: float,
        holder: Holder | None = None,
        earlier: Sequence[str] = (),
    ) -> Claim:
        """Exchange a released place for a session.

        `holder` is who shows the place, and `earlier` the sessions of its earlier generations; without them, the place is
        the one numbered like the position, which never moved.

        Raises:
            StoreUnavailable: the store did not answer; claiming again is safe.
        """
        arguments = [
            str(epoch),
            str(position),
            session,
            str(int(length_s * US_PER_S)),
            str(int(longest_s * US_PER_S)),
            *described(holder or Holder(epoch, position, 0, "", "", 0)),
            *earlier,
        ]
        outcome, *times_us = await self._run("claim", arguments)
        expires_s, ends_s, at_s = (float(time_us) / US_PER_S for time_us in times_us)
        return Claim(ClaimOutcome(outcome), at_s, expires_s, ends_s)

    async def renew(self, sessions: Mapping[str, SessionTimes]) -> dict[str, bool]:
        """Move the ends of live sessions, never beyond their hard ends; False for one that is not live any more.

        A session which the store has lost is put back, unless somebody has ended it.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await self._sessions("renew", _times(sessions))

    async def restore(self, sessions: Mapping[str, SessionTimes]) -> None:
        """Put back sessions which the store may have lost, but for those that somebody has ended.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        await self._sessions("restore", _times(sessions))

    async def end(
        self, sessions: Sequence[str], kind: EndKind = "complete", *, keep_s: float = 3600.0
    ) -> dict[str, bool]:
        """End sessions, free their capacity and let gates hear of it for `keep_s`; False for one that was not live.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        keep_ms = str(int(keep_s * 1000))
        return await self._sessions(kind, {session: [keep_ms] for session in sessions})

    async def publish_draw(self, record: str) -> str:
        """Write the draw's record unless there is one, and return the one in force.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return str(await self._run("draw", [record]))

    def remember_place(self, epoch: int, number: int) -> None:
        """Note a place that was signed: where it is missing in the store, it is put back with the next `advance`."""
        self._memory.see_place(epoch, number)

    def remember_draw(self, record: str, pool: Sequence[tuple[int, int]]) -> None:
        """Note a draw that was published: where the store has lost it, it is put back with the next `advance`."""
        self._memory.see_draw(record, pool)

    async def _sessions(self, verb: str, values: Mapping[str, Sequence[str]]) -> dict[str, bool]:
        arguments = [part for session, parts in values.items() for part in (session, *parts)]
        live = await self._run("sessions", [verb, *arguments])
        return {session: bool(flag) for session, flag in zip(values, live, strict=True)}

    def _snapshot(self, flat: Sequence[str]) -> Snapshot:
        snapshot = read_snapshot(dict(zip(flat[::2], flat[1::2], strict=True)))
        self._memory.see(snapshot)
        return snapshot

    async def _run(self, name: str, arguments: Sequence[str]) -> Any:
        began_s = time.perf_counter()
        try:
            try:
                return await self._scripts.run(name, arguments)
            except UnknownServer:
                await self._enter()
                return await self._scripts.run(name, arguments)
        except ResponseError as error:
            code, _, _ = str(error).partition(" ")
            if code in _REFUSALS:
                raise JoinRefused(_REFUSALS[code]) from error
            self._calls.fail(name, "refused")
            raise StoreUnavailable(f"store refused {name}: {str(error)[:200]}") from error
        except (RedisError, OSError, TimeoutError, UnknownServer) as error:
            self._calls.fail(name, "unreachable")
            raise StoreUnavailable(
                f"store unreachable: {type(error).__name__}: {str(error)[:200]}"
            ) from error
        finally:
            self._calls.took(name, time.perf_counter() - began_s)

    async def _enter(self) -> None:
        """Make ourselves known to a server which doesn't know our scripts or has no data: it may begin a new epoch."""
        self._snapshot(await self._scripts.enter([self._memory.offer(), *_flatten(self._settings)]))


def read_moves(text: str) -> list[tuple[int, int, int]]:
    """Read what `advance` tells of moves: epoch, number and generation of each."""
    moves = (entry.split(":") for entry in text.split(",") if entry)
    return [(int(epoch), int(number), int(generation)) for epoch, number, generation in moves]


def _flatten(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]


def _times(sessions: Mapping[str, SessionTimes]) -> dict[str, list[str]]:
    return {session: [str(int(time_s * US_PER_S)) for time_s in times] for session, times in sessions.items()}
