"""What the middleware of a shop asks the room for: a code's exchange for a pass, renewed passes in batches, the end of sessions.

Nobody needs a token here: a code or a pass is its own proof, a pass is renewed for the device to which it is bound, and the two
together open no more than the gate itself would.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waitingroom.errors import InvalidToken, StoreUnavailable
from waitingroom.gate.arriving import RETRY_S
from waitingroom.gate.checkpoint import Checkpoint
from waitingroom.gate.handover import read_code
from waitingroom.gate.sessions import Sessions
from waitingroom.handovers import HandoverRefused, Handovers
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, verify_pass
from waitingroom.room import Room
from waitingroom.web.negotiation import problem

EXCHANGE_PATH = "/gate/exchange"
RENEW_PATH = "/gate/renew"
END_PATH = "/gate/end"
MAX_PASSES = 100
_MAX_BODY_BYTES = 262_144
_BODY_WITHIN_S = 10.0
_AT_ONCE = 8
_DEVICE_HASH = r"^[A-Za-z0-9_-]{22}$"
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class Body(BaseModel):
    """A request; unknown members are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Exchange(Body):
    """A code, and the hash of the device which shall hold the pass."""

    code: Annotated[str, Field(max_length=128)]
    device: Annotated[str, Field(pattern=_DEVICE_HASH)]


class Exchanged(BaseModel):
    """A pass for the shop's own cookies; times in unix seconds."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    onsale: str
    session: str
    pass_: str = Field(alias="pass")
    ends: int
    location: str


class Passes(Body):
    """Passes of one onsale."""

    onsale: Annotated[str, Field(pattern=_NAME)]
    passes: Annotated[tuple[Annotated[str, Field(max_length=2048)], ...], Field(max_length=MAX_PASSES)]


class EndedPasses(Passes):
    """Passes whose sessions the shop has ended."""

    kind: Literal["complete", "abandon"] = "complete"


class Renewals(BaseModel):
    """Renewed passes in the order in which they were sent; null for one that holds no more."""

    passes: list[str | None]


class Ended(BaseModel):
    """How many of the passes held."""

    ended: int


Asked = TypeVar("Asked", bound=Body)


class GateApi:
    """Handlers over the rooms by name."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        keyring: Keyring,
        checkpoint: Checkpoint,
        sessions: Sessions,
        handovers: Handovers,
    ) -> None:
        self._rooms = rooms
        self._keyring = keyring
        self._checkpoint = checkpoint
        self._sessions = sessions
        self._handovers = handovers

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [
            web.post(EXCHANGE_PATH, self.exchange),
            web.post(RENEW_PATH, self.renew),
            web.post(END_PATH, self.end),
        ]

    async def exchange(self, request: web.Request) -> web.Response:
        """Exchange a code for a pass.

        Not limited by address: whoever asks is a process of the shop's, and stands for all its buyers. `Handovers` bounds how
        many are under way.
        """
        body = await _read(request, Exchange)
        if isinstance(body, web.Response):
            return body
        code = read_code(body.code)
        try:
            if code is None:
                raise HandoverRefused("malformed")
            taken = await self._handovers.take(code, body.device)
        except HandoverRefused as refused:
            detail = f"The code admits nobody: {refused.reason}."
            return problem(HTTPStatus.GONE, "No admission", detail, reason=refused.reason)
        except StoreUnavailable:
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Please wait a moment",
                "The store cannot be reached just now.",
                retry_after_s=RETRY_S,
                reason="unavailable",
            )
        admission = taken.admission
        return _answer(
            Exchanged(
                onsale=admission.onsale,
                session=admission.session,
                pass_=taken.token,
                ends=admission.ends_at_s,
                location=taken.location,
            )
        )

    async def renew(self, request: web.Request) -> web.Response:
        """Renew passes which were used lately; no store is asked, it hears of them with the next batch."""
        body = await _read(request, Passes)
        if isinstance(body, web.Response):
            return body
        room = self._rooms.get(body.onsale)
        if room is None:
            return _unknown()
        renewed: list[str | None] = []
        for number, admission in enumerate(self._verified(body)):
            renewed.append(
                None if admission is None else self._checkpoint.renew(room.onsale, admission, time.time())
            )
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)  # signing takes its time: others come in between
        return _answer(Renewals(passes=renewed))

    async def end(self, request: web.Request) -> web.Response:
        """End sessions at every gate, as the shop said in its answers."""
        body = await _read(request, EndedPasses)
        if isinstance(body, web.Response):
            return body
        if body.onsale not in self._rooms:
            return _unknown()
        ended = 0
        for admission in self._verified(body):
            if admission is not None and admission.is_current(time.time()):
                self._sessions.end(body.onsale, admission.session, body.kind)
                ended += 1
        return _answer(Ended(ended=ended))

    def _verified(self, body: Passes) -> Iterator[Pass | None]:
        for token in body.passes:
            try:
                yield verify_pass(token, body.onsale, self._keyring)
            except InvalidToken:
                yield None


async def _read(request: web.Request, model: type[Asked]) -> Asked | web.Response:
    """Read a body of bounded size in bounded time; an answer where it cannot be used."""
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > _MAX_BODY_BYTES:
                    detail = f"The body is larger than {_MAX_BODY_BYTES} bytes."
                    return _closing(problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large", detail))
    except TimeoutError:
        detail = "The body of the request did not arrive in time."
        return _closing(problem(HTTPStatus.REQUEST_TIMEOUT, "Too slow", detail))
    except (ConnectionError, RequestPayloadError):
        return _closing(problem(HTTPStatus.BAD_REQUEST, "Bad request", "The body is not whole."))
    try:
        return model.model_validate(json.loads(bytes(content)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        detail = re.sub(r"\s+", " ", f"{where}: {first['msg']}")[:200]
    except (ValueError, RecursionError):
        detail = "The body must be JSON in UTF-8."
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Malformed", detail)


def _unknown() -> web.Response:
    return problem(HTTPStatus.NOT_FOUND, "No such onsale", "There is no onsale of this name here.")


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


def _answer(document: BaseModel) -> web.Response:
    return web.Response(
        body=document.model_dump_json(by_alias=True),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
