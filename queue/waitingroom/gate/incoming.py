"""Is this a request that a proxy may take on? Pure.

What two servers may read in two ways is refused before anything else is done with it (400, and the connection is closed): another
form of target than a path, a host that is missing or malformed, a framing beyond a plain `chunked`, a WebSocket by another method
than GET. The HTTP parser below has by then refused the coarse cases: both `Content-Length` and `Transfer-Encoding`, either of
them twice, folded headers, bare line ends.
"""

from __future__ import annotations

from multidict import CIMultiDictProxy

from waitingroom.errors import WaitingRoomError
from waitingroom.gate.guard import host_name
from waitingroom.gate.original import MAX_TARGET_CHARS, is_target


class RequestRefused(WaitingRoomError):
    """The request is malformed or ambiguous; the message can be told to its sender."""


def check_request(
    method: str, raw_target: str, version: tuple[int, int], headers: CIMultiDictProxy[str]
) -> str:
    """Return the request's host.

    Raises:
        RequestRefused: with what is wrong.
    """
    if len(raw_target) > MAX_TARGET_CHARS or not is_target(raw_target):
        raise RequestRefused("the target must be a path of printable ASCII, without fragment")
    hosts = headers.getall("Host", ())
    if len(hosts) != 1 or host_name(hosts[0]) is None:
        raise RequestRefused("the Host header must name one host")
    codings = headers.getall("Transfer-Encoding", ())
    if codings and (version < (1, 1) or len(codings) > 1 or codings[0].lower() != "chunked"):
        raise RequestRefused("the only transfer coding known here is chunked")
    if is_websocket(headers):
        # The shop is shaken hands with by GET, so what was judged as another method must not come that far.
        if method != "GET" or version < (1, 1):
            raise RequestRefused("a WebSocket handshake is a GET of HTTP/1.1")
        if codings or headers.get("Content-Length", "0") != "0":
            raise RequestRefused("a WebSocket handshake has no body")
    return hosts[0]


def is_websocket(headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether the request asks for a WebSocket."""
    return headers.get("Upgrade", "").lower() == "websocket" and "upgrade" in connection_names(headers)


def connection_names(headers: CIMultiDictProxy[str]) -> frozenset[str]:
    """Return what the `Connection` header names, in lower case: headers meant for this hop alone."""
    lines = headers.getall("Connection", ())
    return frozenset(name.strip().lower() for line in lines for name in line.split(","))
