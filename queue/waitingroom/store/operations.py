"""What operators and the shop's back office do to an onsale in the store; one atomic script makes every change.

It never enters a server (see `server`): a store without our scripts is about to be entered by a room, so the caller asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError, ResponseError

from rulebook.coupling import targets_key
from waitingroom.audit import Action, AuditEntry, read_entry
from waitingroom.errors import ChangeRefused, StoreUnavailable
from waitingroom.ruletargets import RuleTarget, read_target
from waitingroom.store.connect import StoreClient, server_of
from waitingroom.store.server import Scripts, UnknownServer

OVERRIDES = (
    "hold",
    "ops_rate",
    "ops_capacity",
    "ops_prequeue_us",
    "ops_opens_us",
    "ops_closes_us",
    "soldout",
    "message",
    "beacon",
)
"""The fields of the room hash which operators set. They outlive a reload of the document."""

_READ_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did: whether the session it names was live, and the audit entry if one was wanted."""

    live: bool
    entry: AuditEntry | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """A session that ended before its time: `kind` is revoke, complete or abandon; `id` grows within an onsale."""

    id: str
    onsale: str
    session: str
    kind: str


class OnsaleOperations:
    """The changes of one onsale."""

    def __init__(self, client: StoreClient, onsale: str) -> None:
        self._client: Any = client
        self._onsale = onsale
        self._scripts = Scripts(client, f"{{{onsale}}}:room", onsale)

    async def change(self, action: Action, verb: str, arguments: Sequence[str] = ()) -> AuditEntry:
        """Carry out a verb of `operate.lua` that changes settings.

        Raises:
            ChangeRefused: it makes no sense now.
            StoreUnavailable: nothing was changed, or the answer got lost; asking again does no harm.
        """
        outcome = await self._operate(action, verb, arguments)
        if outcome.entry is None:
            raise StoreUnavailable("store wrote no audit entry")
        return outcome.entry

    async def end_session(self, action: Action | None, verb: str, session: str, keep_s: float) -> Outcome:
        """End a session (`revoke`, `complete` or `abandon`) and let gates hear of it for `keep_s`.

        Raises:
            StoreUnavailable: the store did not answer; asking again does no harm.
        """
        return await self._operate(action, verb, [session, str(int(keep_s * 1000))])

    async def overrides(self) -> dict[str, str]:
        """Return what operators have set.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        values = await self._read(self._client.hmget(self._key("room"), OVERRIDES))
        return {name: value for name, value in zip(OVERRIDES, values, strict=True) if value}

    async def audit(self, limit: int) -> list[AuditEntry]:
        """Return the newest entries, newest first.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        texts = await self._read(self._client.lrange(self._key("audit"), -limit, -1))
        return [read_entry(self._onsale, text) for text in reversed(texts)]

    async def revocations(self, after: str) -> list[Revocation]:
        """Return those told after the id `after` ("" for all that are kept), oldest first.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        start = f"({after}" if after else "-"
        entries = await self._read(
            self._client.xrange(self._key("revocations"), min=start, count=_READ_AT_ONCE)
        )
        return [
            Revocation(id, self._onsale, fields["session"], fields["kind"])
            for id, fields in entries
            if "session" in fields and "kind" in fields
        ]

    async def settings(self) -> Mapping[str, str]:
        """Return the whole room hash.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return dict(await self._read(self._client.hgetall(self._key("room"))))

    async def targets(self) -> list[RuleTarget]:
        """Return the scaler's admission targets, oldest first. What is none is left out, as the bucket does.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        found = []
        for text in await self._read(self._client.lrange(targets_key(self._onsale), 0, -1)):
            with suppress(ValueError):
                found.append(read_target(text))
        return found

    async def server(self) -> Mapping[str, Any]:
        """Return what the server tells of itself (`INFO`), with its clock as `time_s`.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        try:
            async with server_of(self._client, self._key("room")) as server:
                facts: Mapping[str, Any] = await server.info()
                seconds, microseconds = await server.time()
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return {**facts, "time_s": int(seconds) + int(microseconds) / 1e6}

    async def snapshots_schedule(self) -> str | None:
        """Return the server's `save` setting, None where it may not be asked.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        try:
            async with server_of(self._client, self._key("room")) as server:
                return str((await server.config_get("save")).get("save", ""))
        except ResponseError:
            return None
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def _operate(self, action: Action | None, verb: str, arguments: Sequence[str]) -> Outcome:
        audit = action.to_json() if action else ""
        try:
            live, written = await self._scripts.run_entered("operate", [audit, verb, *arguments])
        except ResponseError as error:
            code, _, reason = str(error).partition(" ")
            if code == "CONFLICT":
                raise ChangeRefused(reason) from error
            raise StoreUnavailable(f"store refused {verb}: {str(error)[:200]}") from error
        except (RedisError, OSError, TimeoutError, UnknownServer) as error:
            raise _unavailable(error) from error
        return Outcome(bool(live), read_entry(self._onsale, written) if written else None)

    async def _read(self, question: Any) -> Any:
        try:
            return await question
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    def _key(self, name: str) -> str:
        return f"{{{self._onsale}}}:{name}"


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"store unreachable: {type(error).__name__}: {str(error)[:200]}")
