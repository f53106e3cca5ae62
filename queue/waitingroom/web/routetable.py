"""The table of all routes of the room's address: what each takes and gives. The OpenAPI document is made from it.

The handlers are registered by their own groups; a test holds that both name the same routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from waitingroom.web import admin_documents as admin
from waitingroom.web import buyer_documents as buyer
from waitingroom.web import gate_api as gate
from waitingroom.web.admin_actions import ACTIONS

_JSON = ("application/json",)
_TEXT = ("text/plain",)
_PAGE = ("text/html",)
_EVENTS = ("text/event-stream",)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path or query; `schema` is JSON Schema."""

    name: str
    place: Literal["path", "query"]
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `roles` are the tokens' which may use it, none for everybody. `problems`: errors are problem+json."""

    method: str
    path: str
    name: str
    summary: str
    tag: str
    statuses: tuple[int, ...]
    answer: type[BaseModel] | None = None
    kinds: tuple[str, ...] = _JSON
    body: type[BaseModel] | None = None
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    roles: tuple[str, ...] = ()
    problems: bool = True


_NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
_ONSALE = Parameter("onsale", "path", "The onsale's name.", _NAME)
_ONE_ONSALE = Parameter("onsale", "query", "One onsale only.", _NAME)
_SESSION = Parameter(
    "session", "path", "The session's id.", {"type": "string", "pattern": admin.SESSION_FORM}
)
_LIMIT = Parameter(
    "limit", "query", "How many at the most.", {"type": "integer", "minimum": 1, "maximum": 1000}
)
_RETURN = Parameter("return", "query", "Where in the shop to go after the line.", {"type": "string"})
_TOKEN = Parameter(
    "token", "query", "The shop's entry token; it is taken out of the address.", {"type": "string"}
)
_ADMIN = (401, 403, 404, 429, 503)
_CHANGES = (*_ADMIN, 408, 413, 422)


def _buyer(method: str, path: str, name: str, summary: str, *statuses: int, **more: Any) -> Route:
    parameters = (_ONSALE, *more.pop("parameters", ()))
    return Route(
        method,
        f"/{{onsale}}/{path}",
        name,
        summary,
        "buyers",
        (200, 404, *statuses),
        parameters=parameters,
        **more,
    )


def _read(path: str, name: str, summary: str, answer: type[BaseModel], *parameters: Parameter) -> Route:
    return Route(
        "GET",
        f"/admin/v1/{path}",
        name,
        summary,
        "operators",
        (200, 422, *_ADMIN) if parameters and parameters[-1] is _LIMIT else (200, *_ADMIN),
        answer=answer,
        parameters=parameters,
        roles=("viewer", "operator"),
    )


def _act(name: str, summary: str, body: type[admin.Body], answer: type[BaseModel]) -> Route:
    return Route(
        "POST",
        f"/admin/v1/onsales/{{onsale}}/{name}",
        name,
        summary,
        "operators",
        (200, 409, *_CHANGES),
        answer=answer,
        body=body,
        body_required=any(field.is_required() for field in body.model_fields.values()),
        parameters=(_ONSALE,),
        roles=("operator",),
    )


def _end(verb: str, summary: str) -> Route:
    return Route(
        "POST",
        f"/sessions/{{session}}/{verb}",
        f"session_{verb}",
        summary,
        "shop",
        (200, *_CHANGES),
        answer=admin.SessionEnded,
        body=admin.SessionOf,
        body_required=False,
        parameters=(_SESSION, Parameter("onsale", "query", "The session's onsale.", _NAME)),
        roles=("shop", "operator"),
    )


def _gate_post(path: str, name: str, summary: str, body: type[BaseModel], answer: type[BaseModel]) -> Route:
    statuses = (200, 408, 413, 422, *((410, 503) if answer is gate.Exchanged else (404,)))
    return Route("POST", path, name, summary, "gate", statuses, answer=answer, body=body)


def _machine(path: str, name: str, summary: str, kinds: tuple[str, ...], *statuses: int) -> Route:
    return Route("GET", path, name, summary, "machines", (200, *statuses), kinds=kinds, problems=False)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/{onsale}",
        "slash",
        "On to the page, which has a slash at its end",
        "buyers",
        (308, 404),
        parameters=(_ONSALE,),
    ),
    _buyer(
        "GET",
        "",
        "page",
        "The waiting page",
        303,
        401,
        403,
        409,
        429,
        503,
        kinds=_PAGE,
        parameters=(_RETURN, _TOKEN),
    ),
    _buyer(
        "POST",
        "join",
        "join",
        "Get a place in line",
        *(303, 401, 403, 408, 409, 413, 422, 429, 503),
        answer=buyer.Joined,
        body=buyer.JoinBody,
        body_required=False,
    ),
    _buyer("GET", "status", "status", "Where the buyer stands", 410, 503, answer=buyer.Status),
    _buyer(
        "POST",
        "code",
        "code",
        "Get a code to move the place to another device",
        *(403, 408, 409, 410, 413, 429, 503),
        answer=buyer.IssuedCode,
    ),
    _buyer(
        "POST",
        "move",
        "move",
        "Bring a place here from another device",
        *(303, 403, 408, 410, 413, 422, 429, 503),
        answer=buyer.Joined,
        body=buyer.MoveBody,
    ),
    _buyer("GET", "events", "events", "The line's state as server-sent events", 429, 503, kinds=_EVENTS),
    _buyer(
        "GET",
        "enter",
        "enter_by_link",
        "Exchange a place for a pass",
        303,
        401,
        409,
        410,
        429,
        503,
        answer=buyer.Admitted,
    ),
    _buyer(
        "POST",
        "enter",
        "enter",
        "Exchange a place for a pass",
        *(303, 401, 408, 409, 410, 413, 429, 503),
        answer=buyer.Admitted,
    ),
    _buyer("GET", "state", "state", "The line's public state", 503, answer=buyer.PublicState),
    _buyer("GET", "draw", "draw", "The draw's commitment and record", 503, answer=buyer.DrawAnswer),
    _buyer(
        "POST",
        "draw",
        "show_draw",
        "Give the draw's record back to a room that has lost it",
        408,
        413,
        422,
        503,
        answer=buyer.DrawAnswer,
        body=buyer.ShownRecord,
    ),
    _read("onsales", "list_onsales", "All onsales", admin.OnsaleList),
    _read("onsales/{onsale}", "show_onsale", "Everything of one onsale", admin.OnsaleDetail, _ONSALE),
    _read("onsales/{onsale}/preflight", "preflight", "Checks before an onsale", admin.Preflight, _ONSALE),
    _read("audit", "audit", "The last changes", admin.AuditLog, _ONE_ONSALE, _LIMIT),
    *(_act(name, action.summary, action.body, admin.Change) for name, action in ACTIONS.items()),
    _act("revoke", "End a session at every gate", admin.Revoke, admin.SessionEnded),
    _end("complete", "The buyer has bought"),
    _end("abandon", "The buyer has left"),
    _end("revoke", "The buyer is to leave"),
    Route(
        "GET",
        "/gate/auth",
        "gate_auth",
        "For nginx auth_request",
        "gate",
        (200, 401, 403),
        kinds=(),
        problems=False,
    ),
    Route(
        "GET",
        "/gate/forward",
        "gate_forward",
        "For Traefik, Envoy and Gateway API",
        "gate",
        (200, 303, 403, 429),
        kinds=(),
    ),
    Route(
        "GET",
        "/.tidegate/enter",
        "arrive",
        "Where buyers come in at the shop's host, with a code",
        "gate",
        (303, 400, 403, 410, 429, 503),
        parameters=(Parameter("code", "query", "The code; it works once.", {"type": "string"}),),
    ),
    _gate_post(gate.EXCHANGE_PATH, "exchange", "Exchange a code for a pass", gate.Exchange, gate.Exchanged),
    _gate_post(gate.RENEW_PATH, "renew", "Renew passes that are in use", gate.Passes, gate.Renewals),
    _gate_post(gate.END_PATH, "end_sessions", "End the sessions of passes", gate.EndedPasses, gate.Ended),
    Route(
        "GET",
        "/gate/revocations",
        "revocations",
        "Revoked sessions as server-sent events",
        "gate",
        (200, 429),
        kinds=_EVENTS,
        parameters=(_ONE_ONSALE,),
    ),
    _machine("/.well-known/jwks.json", "jwks", "The keys with which passes are checked", _JSON),
    _machine("/openapi.json", "openapi", "This document", _JSON),
    _machine("/healthz", "healthz", "The process answers", _TEXT),
    _machine("/readyz", "readyz", "The rooms have seen their store", _TEXT, 503),
    _machine("/metrics", "metrics", "Prometheus metrics", _TEXT),
)
