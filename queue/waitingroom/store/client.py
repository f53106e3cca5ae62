"""The room's one path to the store: each call is one atomic script, one round trip.

A script that finds no settings (a new store, or one which lost its data) answers UNCONFIGURED: the settings are then written
and the call is made again. Errors of the client library and of the network come out as `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from waitingroom.errors import JoinRefused, StoreUnavailable
from waitingroom.snapshot import Snapshot, read_snapshot
from waitingroom.store.scripts import script_source

_US_PER_S = 1_000_000
_REFUSALS = {"NOTYET": "not yet", "CLOSED": "closed"}


class ClaimOutcome(StrEnum):
    """What became of a claim; the meanings stand in claim.lua."""

    ADMITTED = "admitted"
    AGAIN = "again"
    ENDED = "ended"
    WAITING = "waiting"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Claim:
    """The outcome of a claim at store time `at_s`; `expires_at_s` is the session's end, 0 where there is none."""

    outcome: ClaimOutcome
    expires_at_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number given by the store, at store time `at_ms`."""

    epoch: int
    number: int
    at_ms: int


class OnsaleStore:
    """One onsale's counters. `settings` are the room hash's fields as `roomsettings.room_settings` makes them."""

    def __init__(self, client: Redis, onsale: str, settings: Mapping[str, str]) -> None:
        self._key = f"{{{onsale}}}:room"
        self._settings = dict(settings)
        self._scripts = {
            name: client.register_script(script_source(name))
            for name in ("configure", "advance", "join", "claim", "sessions", "draw")
        }
        self._known_epoch = 0

    async def configure(self, settings: Mapping[str, str] | None = None) -> Snapshot:
        """Put settings in force from now on.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        if settings is not None:
            self._settings = dict(settings)
        flat = [part for pair in self._settings.items() for part in pair]
        return self._snapshot(await self._run("configure", [str(self._known_epoch), *flat]))

    async def advance(self) -> Snapshot:
        """Release what is due and return the counters.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return self._snapshot(await self._run_configured("advance", []))

    async def join(self, devices: Sequence[str]) -> list[Numbered]:
        """Give numbers to devices, in their order.

        Raises:
            StoreUnavailable: the store did not answer; a device which asks again gets the number it may have been given.
            JoinRefused: joining has not begun or is over.
        """
        at_us, *places = await self._run_configured("join", list(devices))
        at_ms = int(float(at_us)) // 1000
        numbered = []
        for place in places:
            epoch, _, number = place.partition(":")
            numbered.append(Numbered(int(epoch), int(number), at_ms))
        return numbered

    async def claim(
        self, epoch: int, position: int, session: str, length_s: float, longest_s: float
    ) -> Claim:
        """Exchange a released place for a session.

        Raises:
            StoreUnavailable: the store did not answer; claiming again is safe.
        """
        arguments = [
            str(epoch),
            str(position),
            session,
            str(int(length_s * _US_PER_S)),
            str(int(longest_s * _US_PER_S)),
        ]
        outcome, expires_us, at_us = await self._run_configured("claim", arguments)
        return Claim(ClaimOutcome(outcome), float(expires_us) / _US_PER_S, float(at_us) / _US_PER_S)

    async def renew(self, sessions: Mapping[str, float]) -> dict[str, bool]:
        """Move the ends (unix seconds) of live sessions; False for one that is not live any more.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await self._sessions("renew", sessions)

    async def end(self, sessions: Sequence[str]) -> dict[str, bool]:
        """End sessions and free their capacity; False for one that was not live.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await self._sessions("end", dict.fromkeys(sessions, 0.0))

    async def publish_draw(self, record: str) -> str:
        """Write the draw's record unless there is one, and return the one in force.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return str(await self._run("draw", [record]))

    async def _sessions(self, verb: str, ends: Mapping[str, float]) -> dict[str, bool]:
        arguments = [verb]
        for session, end_s in ends.items():
            arguments += [session, str(int(end_s * _US_PER_S))]
        live = await self._run("sessions", arguments)
        return {session: bool(flag) for session, flag in zip(ends, live, strict=True)}

    def _snapshot(self, flat: Sequence[str]) -> Snapshot:
        snapshot = read_snapshot(dict(zip(flat[::2], flat[1::2], strict=True)))
        self._known_epoch = max(self._known_epoch, snapshot.epoch)
        return snapshot

    async def _run_configured(self, name: str, arguments: Sequence[str]) -> Any:
        try:
            return await self._run(name, arguments)
        except _Unconfigured:
            await self.configure()
            return await self._run(name, arguments)

    async def _run(self, name: str, arguments: Sequence[str]) -> Any:
        try:
            return await self._scripts[name](keys=[self._key], args=list(arguments))
        except ResponseError as error:
            code, _, _ = str(error).partition(" ")
            if code == "UNCONFIGURED":
                raise _Unconfigured(self._key) from error
            if code in _REFUSALS:
                raise JoinRefused(_REFUSALS[code]) from error
            raise StoreUnavailable(f"store refused {name}: {str(error)[:200]}") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(
                f"store unreachable: {type(error).__name__}: {str(error)[:200]}"
            ) from error


class _Unconfigured(StoreUnavailable):
    """The store holds no settings of this onsale."""


def connect(url: str, *, timeout_s: float = 2.0) -> Redis:
    """Open a client for `redis://`, `rediss://` or `unix://`; nothing is sent yet.

    Raises:
        ValueError: the address is not of one of these forms.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=64,
    )
