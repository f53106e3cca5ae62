"""Which headers cross the proxy, and what it says of itself to the shop; pure.

Hop-by-hop headers stay on their hop (RFC 9110, 7.6.1), with those that `Connection` names. What shops take from a proxy's word
(forwarded addresses, sessions, other paths than the one that was judged) is set here, and passed on from trusted proxies alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy, istr

from waitingroom.errors import WaitingRoomError
from waitingroom.gate.guard import host_name
from waitingroom.gate.incoming import connection_names
from waitingroom.gate.turnaway import ONSALE_HEADER, SESSION_HEADER
from waitingroom.passes import Pass

REQUEST_ID_HEADER = istr("X-Request-Id")
END_HEADER = "X-Tidegate-End"
"""A shop's answer with this header (`complete` or `abandon`) ends the buyer's session; it goes no further than the gate."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NEVER_THE_BUYERS = ("x-tidegate-", "x-forwarded-", "x-original-", "x-rewrite-", "x-envoy-")
_ADDRESSES = frozenset(
    {
        *("forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"),
        *("cf-connecting-ip", "fastly-client-ip", "x-host", "x-http-host-override"),
    }
)
_LINE_ENDS = ("\r", "\n", "\x00")


class AnswerRefused(WaitingRoomError):
    """The shop's answer holds a header that would be read as more than one."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request: the address, whether it is a trusted proxy's, and the scheme it came by."""

    address: str | None
    trusted: bool
    scheme: str


def request_headers(
    headers: CIMultiDictProxy[str], host: str, peer: Peer, admission: Pass | None, request_id: str
) -> CIMultiDict[str]:
    """Return the headers of the request to the shop."""
    named = connection_names(headers)
    sent: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        # `X_Tidegate_Session` is the same header to a CGI or WSGI shop: only names without underscores pass.
        if lower in _HOP_BY_HOP or lower in named or "_" in name or lower.startswith(_NEVER_THE_BUYERS):
            continue
        if lower in _ADDRESSES and not peer.trusted:
            continue
        sent.add(name, value)
    sent["Host"] = host
    sent[REQUEST_ID_HEADER] = request_id
    sent["X-Forwarded-Host"] = forwarded_host(headers, peer) or host
    proto = headers.get("X-Forwarded-Proto", "").lower() if peer.trusted else ""
    sent["X-Forwarded-Proto"] = proto if proto in {"http", "https"} else peer.scheme
    before = headers.getall("X-Forwarded-For", ()) if peer.trusted else ()
    if peer.address:
        sent["X-Forwarded-For"] = ", ".join([*before, peer.address])
    if admission is not None:
        sent[SESSION_HEADER] = admission.session
        sent[ONSALE_HEADER] = admission.onsale
    return sent


def forwarded_host(headers: CIMultiDictProxy[str], peer: Peer) -> str | None:
    """Return the host which a trusted proxy names beside `Host`, None where there is none."""
    named = headers.getall("X-Forwarded-Host", ()) if peer.trusted else ()
    return named[0] if len(named) == 1 and host_name(named[0]) is not None else None


def websocket_headers(sent: CIMultiDict[str]) -> CIMultiDict[str]:
    """Return the headers for a handshake of our own: the buyer's handshake ends here."""
    return CIMultiDict(
        (name, value) for name, value in sent.items() if not name.lower().startswith("sec-websocket-")
    )


def answer_headers(headers: CIMultiDictProxy[str]) -> Iterator[tuple[str, str]]:
    """Yield the headers of the answer to the buyer.

    Raises:
        AnswerRefused: a value holds a line end, which would split the answer.
    """
    named = connection_names(headers)
    for name, value in headers.items():
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in named or lower == END_HEADER.lower():
            continue
        if any(end in value or end in name for end in _LINE_ENDS):
            raise AnswerRefused(f"header {name[:40]!r} of the shop's answer holds a line end")
        yield name, value
