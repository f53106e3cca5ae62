"""The page of all HTTP: the room's routes out of the OpenAPI document, and what stands in none: headers, cookies, the scaler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tidegate.reference.markdown import anchor, code, table
from waitingroom.gate.headers import END_HEADER, REQUEST_ID_HEADER
from waitingroom.gate.turnaway import ONSALE_HEADER, ROOM_HEADER, SESSION_HEADER
from waitingroom.web.cookies import DEVICE_COOKIE, ENTRY_COOKIE, PLACE_COOKIE, device_cookie, pass_cookie
from waitingroom.web.openapi import openapi_document

_HEAD: Final = """\
# HTTP, endpoint by endpoint

Made by `make docs` from the OpenAPI document and the code's own names; a test holds that it is up to date. A room serves its \
own description (OpenAPI 3.1) at `/openapi.json`.

Answers are JSON, or pages for browsers: who names `text/html` in `Accept`, and no JSON before it, gets a page or a redirect. \
Errors are problem+json (RFC 9457) with `type`, `title`, `status` and `detail`; many name a `reason` for programs, and \
`retry_after` where asking again helps. Answers to a buyer are never cached; `/{onsale}/state` and the keys may be.

The room is served at the root of its host, plainly or behind a proxy of yours that ends TLS. What a status means:

| status | meaning |
| --- | --- |
| 303 | for browsers: on to the page, or to the shop |
| 308 | the address lacks the slash at its end |
| 400 | a code or request that cannot be read |
| 401 | no token, or one that does not count; at `/gate/auth`: no pass, so to the line |
| 403 | the token may not do that; the request came from another site; cookies are off; at a gate: cannot be judged, or \
not asked by a trusted proxy |
| 404 | no such onsale, or this device holds no place in it (`reason`: `no_place`) |
| 408, 413, 422 | the body came too slowly, is too large, or is not what is expected (`problems` names fields) |
| 409 | not now: not your turn (`state` says where you stand), or what the document does not allow |
| 410 | it was yours: the place was moved to another device, the code was used |
| 429 | too many of these from your address; or, at a gate, to the line first |
| 503 | the store cannot be reached just now; nothing is lost, ask again after `Retry-After` |
"""
_OK: Final = "200"
_TAGS: Final[Mapping[str, tuple[str, str]]] = {
    "buyers": (
        "Buyers",
        "For the page and for apps. A buyer is known by cookies; an app keeps them as a browser does.",
    ),
    "shop": (
        "The shop",
        "For the shop's servers, with a token of role `shop` or `operator` as bearer token. A shop behind the reverse proxy or "
        f"the middleware may answer with `{END_HEADER}` instead.",
    ),
    "operators": (
        "Operators",
        "The admin API, there with `--admin-tokens`. A bearer token each; what is changed goes into the audit log. "
        "`tidegate onsale` and the console speak it.",
    ),
    "gate": (
        "Proxies and gates",
        "For proxies (`/gate/auth`, `/gate/forward` and anything below it, any method; trusted proxies only) and for the "
        "middleware in shops. [How to put the gate before a shop](../how-to/gate.md).",
    ),
    "machines": ("Machines", "For orchestrators, monitoring, and whoever checks passes by themselves."),
}
HEADERS: Final = (
    (
        SESSION_HEADER,
        "gate to shop",
        "the session's id, with every admitted request; a buyer's own is dropped",
    ),
    (ONSALE_HEADER, "gate to shop", "the onsale by which the request was admitted; a buyer's own is dropped"),
    (
        END_HEADER,
        "shop to gate",
        "`complete` or `abandon`: the session is over, its room in the shop is free",
    ),
    (ROOM_HEADER, "`/gate/auth` to nginx", "with 401: the line's address, to redirect the buyer to"),
    ("WWW-Authenticate", "`/gate/auth` to nginx", "with 401: `Tidegate`"),
    ("Retry-After", "to clients", "whole seconds, with 429 and 503"),
    (
        REQUEST_ID_HEADER,
        "to room and gate, from them to clients and to the shop",
        "taken over from a trusted proxy; made where none is given, or by anybody else. In every answer of theirs, "
        "in the gate's requests to the shop, in the logs and in the audit log",
    ),
    (
        "Last-Event-ID",
        "to `/gate/revocations`",
        "the last event that was seen: what was missed is told first",
    ),
    ("X-Original-URI, X-Original-URL, X-Original-Method", "nginx to `/gate/auth`", "the buyer's own request"),
    (
        "X-Forwarded-Method, -Proto, -Host, -Uri",
        "Traefik to `/gate/forward`",
        "the buyer's own request; Envoy asks with method, host and path themselves",
    ),
)
_COOKIES: Final = (
    (
        device_cookie(secure=True),
        "room, and the shop's host",
        "random; binds place and pass to the device; with `--insecure-cookies` it is "
        f"`{DEVICE_COOKIE}`. Only the one that is set is read",
    ),
    (PLACE_COOKIE, "room, path of the onsale", "the signed place"),
    (pass_cookie("ONSALE"), "shop", "the pass, a JWT signed with Ed25519; renewed by the gate once a minute"),
    (
        ENTRY_COOKIE,
        "room, path of the onsale",
        "the shop's entry token, from a link until the buyer has joined",
    ),
)
_STREAMS: Final = """
## Server-sent events

`GET /{onsale}/events` sends one frame for all listeners whenever the line changes, and `event: alive` every 15 s otherwise. \
An `event: line` carries the line's counters: `lines` (for each epoch: epoch, released, settled, tail), `waiting`, `ask_s`, \
the rates, `phase`, `hold`, `message`, `soldout`, `opens`, `drawn`, the knots of the expected wait (`eta`) and `eta_reason`; \
for the first 30 s after the draw also `draw`, its signed record, from which a client works out its position. A client works out \
its own standing from them; `/{onsale}/status` says the same for one buyer. `ask_s` tells a client that asks instead when the \
frames end over how many seconds to spread its first question, so that all who were cut off together stay within the poll \
budget: by distance for the first in line and for the last, and where no position is known; then at the latest, so that no turn \
is over by then, for the first and for the last. In between both grow in proportion to who is ahead, and the shorter counts. \
`retry:` is another one for each listener, for the same reason.

`GET /gate/revocations` sends `event: hello`, then `event: hours` (`onsale`, `begins`, `closes`) for each onsale and whenever \
they change, and `event: revoked` (`onsale`, `session`, `kind`) with an id, for replay.

## The reverse-proxy gate

On the address of `--gate` everything belongs to the shop but `/.tidegate/`. Requests that need no pass, or carry one, are \
streamed to the shop; others get 303 to the line (pages) or 429 with `Retry-After` and `location` (apps). What cannot be read \
in one way only is refused: 400, 403, 413.

## The scaler

On `--listen` of `tidegate scaler run`; without authentication, for loopback or the cluster's own network.

"""
SCALER_ROUTES: Final = (
    (
        "GET /status",
        "everything the scaler knows: leadership, documents, onsales, each rule with its last decision",
    ),
    ("GET /metrics", "Prometheus metrics, [one by one](../metrics.md)"),
    ("GET /healthz", "200: the process is alive"),
    (
        "GET /readyz",
        "200 while every rule is evaluated in time or another scaler leads; 503 names those that are not",
    ),
)
_CONSOLE: Final = """
With `--console-tokens` the operators' pages are served under `/console/` ([how](../how-to/console.md)); they are for people, \
and no program should rely on their form.
"""


def endpoints_page() -> str:
    """Return the page."""
    document = openapi_document()
    parts = [_HEAD]
    for tag, (title, text) in _TAGS.items():
        parts.append(f"\n## {title}\n\n{text}\n")
        parts += [
            _operation(method, path, operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if tag in operation["tags"]
        ]
    parts.append("\n## Headers\n\n" + table(("header", "who", "meaning"), _coded(HEADERS)))
    parts.append("\n## Cookies\n\nAll HttpOnly and SameSite=Lax; Secure unless `--insecure-cookies`.\n\n")
    parts.append(table(("cookie", "of", "what"), _coded(_COOKIES)))
    parts += [_STREAMS, table(("endpoint", "answer"), _coded(SCALER_ROUTES)), _CONSOLE]
    parts.append("\n## Documents\n\nWhat requests and answers carry. Answers may get further fields.\n")
    schemas = document["components"]["schemas"]
    parts += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    return "".join(parts)


def _coded(rows: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    return [(", ".join(code(part) for part in first.split(", ")), *rest) for first, *rest in rows]


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"\n### {method.upper()} {path}\n\n{operation['summary']}."]
    if "description" in operation:
        lines.append(f" {operation['description']}")
    lines.append("\n")
    rows = [
        (code(each["name"]), each["in"], _bounded(each["schema"]), each["description"])
        for each in operation.get("parameters", ())
        if each["in"] != "path"  # the path shows it
    ]
    if rows:
        lines.append("\n" + table(("parameter", "in", "type", "meaning"), rows))
    body = operation.get("requestBody")
    if body is not None:
        required = "required" if body["required"] else "may be left out"
        lines.append(f"\nBody ({required}): {_kind(body['content']['application/json']['schema'])}\n")
    answers = sorted(operation["responses"].items())
    said = [_answer(answer) for status, answer in answers if status == _OK]
    others = [code(status) for status, _ in answers if status != _OK]
    lines.append(f"\nAnswers: {', '.join([*(f'{code(_OK)} {text}' for text in said), *others])}\n")
    return "".join(lines)


def _answer(answer: Mapping[str, Any]) -> str:
    said = [
        _kind(content["schema"]) if kind == "application/json" else code(kind)
        for kind, content in answer.get("content", {}).items()
    ]
    return " or ".join(said) or "nothing but headers"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    text = f"\n### {name}\n\n{' '.join(str(schema.get('description', '')).split())}\n"
    if "enum" in schema:
        return f"{text}\nOne of {', '.join(code(value) for value in schema['enum'])}.\n"
    required = schema.get("required", ())
    rows = [
        (
            code(field) if field in required else f"{code(field)} (optional)",
            _bounded(entry),
            entry.get("description", ""),
        )
        for field, entry in schema.get("properties", {}).items()
    ]
    return f"{text}\n{table(('field', 'type', 'meaning'), rows)}" if rows else text


def _bounded(entry: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "maximum": "at most", "maxLength": "at most", "maxItems": "at most"}
    bounds = [
        f"{word} {entry[key]}{' characters' if key == 'maxLength' else ''}"
        for key, word in words.items()
        if key in entry
    ]
    return ", ".join([_kind(entry), *bounds])


def _kind(entry: Mapping[str, Any]) -> str:
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in entry:
            return " or ".join(dict.fromkeys(_kind(part) for part in entry[key]))
    if "const" in entry:
        return code(entry["const"])
    if "enum" in entry:
        return ", ".join(code(value) for value in entry["enum"])
    if entry.get("type") == "array":
        if "prefixItems" in entry:
            return f"list of {len(entry['prefixItems'])}: {_kind(entry['prefixItems'][0])}"
        return f"list of {_kind(entry['items'])}"
    if entry.get("type") == "object":
        values = entry.get("additionalProperties")
        return f"map of {_kind(values)}" if isinstance(values, dict) else "object"
    names = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "null"}
    return names.get(str(entry.get("type")), str(entry.get("type", "anything")))
