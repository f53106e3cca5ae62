"""The door of the admin API: bearer token, role, and a limit on wrong tokens for each client. No token is ever logged.

The limit is on tokens that could be guessed: one that we made opens the door whatever others try from the same address.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from rulebook.admintokens import Role, TokenEntry
from rulebook.tokencheck import TokenCheck, TooManyComparisons
from waitingroom.errors import ChangeRefused, WaitingRoomError
from waitingroom.gate.requestids import REQUEST_ID
from waitingroom.web.admin_documents import FORMS
from waitingroom.web.limits import ClientBuckets, Clients
from waitingroom.web.negotiation import problem

READERS = frozenset({Role.VIEWER, Role.OPERATOR})
OPERATORS = frozenset({Role.OPERATOR})
SHOPS = frozenset({Role.SHOP, Role.OPERATOR})
FAILURES_BURST = 10
FAILURES_PER_S = 1 / 6
_COMPARED_WITHIN_S = 5.0
_CHALLENGE = 'Bearer realm="tidegate"'

log = structlog.get_logger(__name__)

BodyModel = TypeVar("BodyModel", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and by which request."""

    token: TokenEntry
    request_id: str


class Refusal(WaitingRoomError):
    """The request is not carried out; holds the problem to answer with."""

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        challenge: bool = False,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self._status, self._title, self._detail = status, title, detail
        self._retry_after_s, self._challenge, self._members = retry_after_s, challenge, members

    def answer(self) -> web.Response:
        """Return the problem."""
        response = problem(
            self._status, self._title, self._detail, retry_after_s=self._retry_after_s, **self._members
        )
        if self._challenge:
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response


AdminHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Access:
    """Lets callers in."""

    def __init__(self, tokens: TokenCheck, clients: Clients) -> None:
        self._tokens = tokens
        self._clients = clients
        self._failures = ClientBuckets(FAILURES_PER_S, FAILURES_BURST)

    def guarded(
        self, roles: frozenset[Role], handler: AdminHandler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler which asks `handler` only for callers of these roles, and answers its refusals."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request, await self._admit(request, roles))
            except Refusal as refusal:
                return refusal.answer()
            except ChangeRefused as refused:
                return Refusal(HTTPStatus.CONFLICT, "Not now", f"{refused}.").answer()

        return handle

    async def _admit(self, request: web.Request, roles: frozenset[Role]) -> Caller:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(
                HTTPStatus.UNAUTHORIZED, "No token", "Send an admin token as a bearer token.", challenge=True
            )
        entry = self._tokens.find_made(token.strip()) or await self._find(request, token.strip())
        if entry.role not in roles:
            log.warning(
                "admin_role_refused", who=entry.name, path=request.path, request_id=request[REQUEST_ID]
            )
            raise Refusal(
                HTTPStatus.FORBIDDEN, "Not allowed", f"A token of role {entry.role} may not do this."
            )
        return Caller(entry, request[REQUEST_ID])

    async def _find(self, request: web.Request, token: str) -> TokenEntry:
        """Find the entry of a token that could have been guessed."""
        client = self._clients.client(request.remote, request.headers)
        # Counted before it is compared: many at once must not slip through while a slow comparison is under way.
        wait_s = self._failures.take(client, time.monotonic())
        if wait_s > 0.0:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many wrong tokens",
                "Too many wrong tokens came from your address.",
                retry_after_s=wait_s,
            )
        try:
            entry = await self._tokens.find(token)
        except TooManyComparisons as busy:
            # Nothing was compared, so nothing was tried.
            self._failures.give_back(client, time.monotonic())
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many tokens to compare",
                "Others are being compared; a token made by `tidegate onsale token` never has to wait.",
                retry_after_s=_COMPARED_WITHIN_S,
            ) from busy
        if entry is None:
            log.warning(
                "admin_token_refused", client=client, path=request.path, request_id=request[REQUEST_ID]
            )
            raise Refusal(
                HTTPStatus.UNAUTHORIZED, "Unknown token", "This token is not known here.", challenge=True
            )
        self._failures.give_back(client, time.monotonic())
        return entry


async def read_body(request: web.Request, model: type[BodyModel]) -> BodyModel:
    """Read the request's JSON; no body at all stands for an empty object.

    Raises:
        Refusal: it is not what `model` says.
    """
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        problems = [
            {
                "field": ".".join(str(part) for part in each["loc"]),
                "message": FORMS.get(str(each.get("ctx", {}).get("pattern")), each["msg"]),
            }
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Malformed",
            "The body is not as it should be.",
            problems=problems,
        ) from error
