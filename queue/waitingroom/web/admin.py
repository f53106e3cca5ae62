"""The admin API, `/admin/v1/...` for operators and `/sessions/...` for the shop's back office: thin handlers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from waitingroom.audit import Action, AuditEntry, log_entry
from waitingroom.passes import SKEW_S
from waitingroom.room import Room
from waitingroom.store.connect import StoreClient
from waitingroom.store.operations import OnsaleOperations, Outcome
from waitingroom.web import admin_documents as documents
from waitingroom.web.admin_access import OPERATORS, READERS, SHOPS, Access, Caller, Refusal, read_body
from waitingroom.web.admin_actions import ACTIONS
from waitingroom.web.admin_preflight import preflight

PREFIX = "/admin/v1"
SESSION_VERBS = ("complete", "abandon", "revoke")
_AUDIT_LIMIT = 200
_AUDIT_MOST = 1000
_SESSION = re.compile(documents.SESSION_FORM)


class AdminHandlers:
    """Handlers over the rooms by name; every change is one script in the store, with its audit entry."""

    def __init__(self, rooms: Mapping[str, Room], client: StoreClient, access: Access) -> None:
        self._rooms = rooms
        self._client = client
        self._access = access
        self._operations: dict[str, OnsaleOperations] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        guarded, one = self._access.guarded, f"{PREFIX}/onsales/{{onsale}}"
        return [
            web.get(f"{PREFIX}/onsales", guarded(READERS, self.list_onsales)),
            web.get(one, guarded(READERS, self.show)),
            web.get(f"{one}/preflight", guarded(READERS, self.check)),
            web.get(f"{PREFIX}/audit", guarded(READERS, self.audit)),
            *(
                web.post(f"{one}/{name}", guarded(OPERATORS, partial(self.act, name=name)))
                for name in ACTIONS
            ),
            web.post(f"{one}/revoke", guarded(OPERATORS, self.revoke)),
            *(
                web.post(
                    f"/sessions/{{session}}/{verb}", guarded(SHOPS, partial(self.end_session, verb=verb))
                )
                for verb in SESSION_VERBS
            ),
        ]

    async def list_onsales(self, request: web.Request, caller: Caller) -> web.Response:
        """All onsales, a line each."""
        visible = [room for name, room in sorted(self._rooms.items()) if caller.token.may_see(name)]
        return _answer(documents.OnsaleList(onsales=[_summary(room) for room in visible]))

    async def show(self, request: web.Request, caller: Caller) -> web.Response:
        """Everything of one onsale."""
        room = self._room(request.match_info["onsale"], caller)
        snapshot = room.snapshot
        return _answer(
            documents.OnsaleDetail(
                name=room.name,
                phase=snapshot.phase if snapshot else None,
                stale=room.stale,
                snapshot=asdict(snapshot) if snapshot else None,
                overrides=await self._of(room).overrides(),
                document=room.onsale.model_dump(mode="json", by_alias=True, exclude_none=True),
            )
        )

    async def check(self, request: web.Request, caller: Caller) -> web.Response:
        """Whether everything is ready for the onsale."""
        room = self._room(request.match_info["onsale"], caller)
        return _answer(await preflight(room, self._of(room)))

    async def audit(self, request: web.Request, caller: Caller) -> web.Response:
        """The last changes of one onsale, or of all."""
        wanted, limit = request.query.get("onsale"), _read_limit(request.query.get("limit"))
        names = [name for name in self._rooms if caller.token.may_see(name)]
        rooms = [self._room(wanted, caller)] if wanted is not None else [self._rooms[name] for name in names]
        entries = [entry for room in rooms for entry in await self._of(room).audit(limit)]
        entries.sort(key=lambda entry: -entry.at_s)
        return _answer(documents.AuditLog(entries=[_change(entry) for entry in entries[:limit]]))

    async def act(self, request: web.Request, caller: Caller, *, name: str) -> web.Response:
        """Carry out an operator's action."""
        room = self._room(request.match_info["onsale"], caller)
        action = ACTIONS[name]
        command = action.command(await read_body(request, action.body), room.onsale)
        asked = Action(caller.token.name, name, caller.request_id)
        entry = await self._of(room).change(asked, command.verb, command.arguments)
        log_entry(entry)
        return _answer(_change(entry))

    async def revoke(self, request: web.Request, caller: Caller) -> web.Response:
        """End a session; every gate refuses its pass from then on."""
        room = self._room(request.match_info["onsale"], caller)
        body = await read_body(request, documents.Revoke)
        return await self._end(room, body.session, "revoke", caller)

    async def end_session(self, request: web.Request, caller: Caller, *, verb: str) -> web.Response:
        """End a session for the shop."""
        body = await read_body(request, documents.SessionOf)
        name = request.query.get("onsale") or body.onsale
        if name is None:
            detail = "Whose session is it? Name the onsale in the query or the body."
            raise Refusal(HTTPStatus.NOT_FOUND, "No onsale", detail)
        session = request.match_info["session"]
        if not _SESSION.fullmatch(session):
            raise Refusal(HTTPStatus.NOT_FOUND, "No session", "This is not the id of a session.")
        return await self._end(self._room(name, caller), session, verb, caller)

    async def _end(self, room: Room, session: str, verb: str, caller: Caller) -> web.Response:
        # The shop's own endings are everyday business: they would push the operators' changes out of the audit list.
        audited = Action(caller.token.name, verb, caller.request_id) if verb == "revoke" else None
        keep_s = room.onsale.spec.session.max_s + 2 * SKEW_S
        outcome: Outcome = await self._of(room).end_session(audited, verb, session, keep_s)
        if outcome.entry is not None:
            log_entry(outcome.entry)
        return _answer(documents.SessionEnded(onsale=room.name, session=session, was_live=outcome.live))

    def _room(self, name: str, caller: Caller) -> Room:
        room = self._rooms.get(name)
        if room is None or not caller.token.may_see(name):
            raise Refusal(HTTPStatus.NOT_FOUND, "No such onsale", "There is no onsale of this name here.")
        return room

    def _of(self, room: Room) -> OnsaleOperations:
        found = self._operations.get(room.name)
        if found is None:
            found = self._operations[room.name] = OnsaleOperations(self._client, room.name)
        return found


def _summary(room: Room) -> documents.OnsaleSummary:
    snapshot = room.snapshot
    counters: dict[str, Any] = dict.fromkeys(
        ("phase", "waiting", "released", "sessions", "rate_per_s", "rate_reason", "hold")
    )
    if snapshot is not None:
        counters = {name: getattr(snapshot, name) for name in counters if name != "phase"}
        counters["phase"] = snapshot.phase
    return documents.OnsaleSummary(name=room.name, stale=room.stale, **counters)


def _change(entry: AuditEntry) -> documents.Change:
    return documents.Change(
        at=entry.at_s,
        who=entry.who,
        what=entry.what,
        onsale=entry.onsale,
        request_id=entry.request_id,
        before=dict(entry.before),
        after=dict(entry.after),
    )


def _read_limit(text: str | None) -> int:
    if text is None:
        return _AUDIT_LIMIT
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= _AUDIT_MOST:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Malformed", f"limit is a number from 1 to {_AUDIT_MOST}."
        )
    return int(text)


def _answer(document: BaseModel) -> web.Response:
    return web.Response(
        body=document.model_dump_json(),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
