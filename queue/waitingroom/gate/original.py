"""The buyer's own request, as the proxy in front of the shop describes it to the gate; pure.

Three ways of telling are understood: `X-Original-URL` (ingress-nginx), `X-Original-URI` with `Host` (nginx), and
`X-Forwarded-Method/Host/Uri` (Traefik, Gateway API); a fourth, Envoy's, has the buyer's path behind a prefix. A proxy uses one of
them. Two at once, or one header twice, means that a buyer has added to what the proxy says: such a request is refused, as is one
whose parts are malformed. Whether the peer may speak for buyers at all is `trust`'s matter. Names with underscores are
never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multidict import istr

from rulebook.memo import Memo
from waitingroom.errors import WaitingRoomError
from waitingroom.gate.guard import host_name

MAX_TARGET_CHARS = 8192
PREFIX = "/gate/forward"
_REMEMBERED = 4096
_MAX_REMEMBERED_CHARS = 512
# Names in this form are compared faster; they are looked up with every question.
_ORIGINAL_METHOD, _ORIGINAL_URI, _HOST = istr("X-Original-Method"), istr("X-Original-URI"), istr("Host")
_OTHER_WAYS = (istr("X-Original-URL"), istr("X-Forwarded-Uri"), istr("X-Forwarded-Host"))
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")
_URL = re.compile(r"https?://([^/?#]*)(/.*)", re.DOTALL)


class UnreadableRequest(WaitingRoomError):
    """The headers of a gate request don't name one buyer's request; the message holds names of headers, never values."""


class Headers(Protocol):
    """What we need of a multidict: all values of a name, whatever its case."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return the values in their order."""
        ...


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """A buyer's request. `hosts` are all that were named for it, and `target` is the raw path with its query.

    `method` is empty where the proxy doesn't tell: then no bypass for some methods only applies.
    """

    method: str
    hosts: tuple[str, ...]
    target: str

    @property
    def path(self) -> str:
        """The raw path without its query."""
        return self.target.partition("?")[0]


class AuthReader:
    """Reads requests to `/gate/auth`, and remembers what nginx says in its plain way: it asks about the same paths all day."""

    def __init__(self) -> None:
        self._read: Memo[OriginalRequest] = Memo(_REMEMBERED)

    def read(self, headers: Headers, configured: Mapping[str, str]) -> OriginalRequest:
        """Read as `read_auth` does.

        Raises:
            UnreadableRequest: as `read_auth`.
        """
        key = None if configured else _plain_key(headers)
        if key is None:
            return read_auth(headers, configured)
        original = self._read.get(key)
        if original is None:
            original = read_auth(headers, configured)
            if len(key) <= _MAX_REMEMBERED_CHARS:
                self._read.put(key, original)
        return original


def read_auth(headers: Headers, configured: Mapping[str, str]) -> OriginalRequest:
    """Read a request to `/gate/auth`. `configured` is the query of the address which the proxy was given.

    `host=` there stands for the buyer's host, in set-ups whose proxy cannot be made to tell it.

    Raises:
        UnreadableRequest: nothing is told, too much, or something malformed.
    """
    urls = headers.getall("X-Original-URL", ())
    uris = headers.getall("X-Original-URI", ())
    forwarded = headers.getall("X-Forwarded-Uri", ())
    if bool(urls) + bool(uris) + bool(forwarded) > 1:
        raise UnreadableRequest(
            "the request is told in two ways: X-Original-URL, X-Original-URI, X-Forwarded-Uri"
        )
    if forwarded:
        return read_forwarded(headers, configured)
    method = _method(_optional(headers, "X-Original-Method"))
    hosts: tuple[str, ...]
    if urls:
        found = _URL.fullmatch(_single(urls, "X-Original-URL"))
        if found is None:
            raise UnreadableRequest("X-Original-URL: malformed")
        hosts = (found[1],)
        target = _target(found[2], "X-Original-URL")
    else:
        target = _target(_single(uris, "X-Original-URI"), "X-Original-URI")
        # A buyer may have added X-Forwarded-Host to a request whose proxy speaks by Host: both must be allowed, then.
        hosts = tuple(dict.fromkeys([*headers.getall("Host", ()), *headers.getall("X-Forwarded-Host", ())]))
    return OriginalRequest(method, _hosts(configured, hosts), target)


def read_forwarded(headers: Headers, configured: Mapping[str, str]) -> OriginalRequest:
    """Read a request to `/gate/forward`, or to `/gate/auth` by a proxy that speaks in X-Forwarded-*.

    Raises:
        UnreadableRequest: nothing is told, too much, or something malformed.
    """
    target = _target(_single(headers.getall("X-Forwarded-Uri", ()), "X-Forwarded-Uri"), "X-Forwarded-Uri")
    method = _method(_optional(headers, "X-Forwarded-Method"))
    hosts = (
        () if "host" in configured else (_single(headers.getall("X-Forwarded-Host", ()), "X-Forwarded-Host"),)
    )
    return OriginalRequest(method, _hosts(configured, hosts), target)


def read_prefixed(method: str, host: str, raw_target: str) -> OriginalRequest:
    """Read a request to `/gate/forward/...`, whose method and host are the buyer's and whose path is, behind the prefix.

    Raises:
        UnreadableRequest: something is malformed.
    """
    target = _target(raw_target.removeprefix(PREFIX), "path")
    return OriginalRequest(_method(method), _hosts({}, (host,)), target)


def is_target(text: str) -> bool:
    """Tell whether this is a path with or without query, of printable ASCII, as a request line may hold it."""
    return _TARGET.fullmatch(text) is not None


def _plain_key(headers: Headers) -> str | None:
    """Return all that `read_auth` looks at as one text, if method, host and target are told once each and nothing else is.

    What was read well holds no space in any of the three, so no other three give the same text.
    """
    methods = headers.getall(_ORIGINAL_METHOD, ())
    hosts = headers.getall(_HOST, ())
    targets = headers.getall(_ORIGINAL_URI, ())
    if len(methods) != 1 or len(hosts) != 1 or len(targets) != 1:
        return None
    if any(headers.getall(name, ()) for name in _OTHER_WAYS):
        return None
    return f"{methods[0]} {hosts[0]} {targets[0]}"


def _single(values: Sequence[str], name: str) -> str:
    if len(values) != 1 or not values[0]:
        raise UnreadableRequest(f"{name}: {'missing' if not any(values) else 'more than one value'}")
    return values[0]


def _optional(headers: Headers, name: str) -> str:
    values = headers.getall(name, ())
    if len(values) > 1:
        raise UnreadableRequest(f"{name}: more than one value")
    return values[0] if values else ""


def _method(value: str) -> str:
    if value and not _METHOD.fullmatch(value):
        raise UnreadableRequest("method: malformed")
    return value


def _target(value: str, name: str) -> str:
    if len(value) > MAX_TARGET_CHARS or not is_target(value):
        raise UnreadableRequest(f"{name}: not a path of printable ASCII")
    return value


def _hosts(configured: Mapping[str, str], told: tuple[str, ...]) -> tuple[str, ...]:
    hosts = (configured["host"],) if "host" in configured else told
    if not hosts or any(host_name(host) is None for host in hosts):
        raise UnreadableRequest("host: missing or malformed")
    return hosts
