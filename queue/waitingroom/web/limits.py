"""How often a client may ask: a token bucket for each client, in this process alone.

Workers on one address share out what one client may do (`Limit`); further instances know nothing of it.

What of an address stands for one client is the rulebook's (`addresses`). Memory is bounded: the clients not seen for longest are
forgotten, and start with a full bucket again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from aiohttp import web

from rulebook.addresses import ForwardedHeaders, client_of, hops_of
from rulebook.memo import Memo
from waitingroom.gate.trust import TrustedProxies
from waitingroom.web.negotiation import problem

_CLIENTS_REMEMBERED = 50_000
_STREAM_RETRY_S = 30.0


class ClientBuckets:
    """A bucket of `burst` tokens for each client, refilled by `rate_per_s`."""

    def __init__(self, rate_per_s: float, burst: float, remembered: int = _CLIENTS_REMEMBERED) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._buckets: Memo[tuple[float, float]] = Memo(remembered)

    def take(self, client: str, now_s: float) -> float:
        """Take a token of `client`, or return how long it has to wait for one; a refused question costs nothing."""
        tokens = self._tokens(client, now_s)
        if tokens < 1.0:
            return (1.0 - tokens) / self._rate_per_s
        self._buckets.put(client, (tokens - 1.0, now_s))
        return 0.0

    def give_back(self, client: str, now_s: float) -> None:
        """Give back a token which was taken ahead of the outcome."""
        self._buckets.put(client, (min(self._burst, self._tokens(client, now_s) + 1.0), now_s))

    def _tokens(self, client: str, now_s: float) -> float:
        bucket = self._buckets.get(client)
        if bucket is None:
            return self._burst
        tokens, at_s = bucket
        return min(self._burst, tokens + max(0.0, now_s - at_s) * self._rate_per_s)


class Clients:
    """Tells whose request it is."""

    def __init__(self, trusted: TrustedProxies) -> None:
        self._holds = trusted.holds

    def client(self, peer: str | None, headers: ForwardedHeaders) -> str:
        """Name the client: the nearest address that is not a trusted proxy's, or else the furthest that is known."""
        return client_of(peer, headers, self._holds)

    def speaks_for_itself(self, peer: str | None, headers: ForwardedHeaders) -> bool:
        """Tell whether the request comes from a trusted proxy which names no client: it may stand for all of them."""
        return self._holds(peer) and not hops_of(headers)


class Limit:
    """How often each client may do one thing: `burst` times at once, then `rate_per_s`; a rate of 0 for no limit.

    A trusted proxy which names no client is not limited: it may stand for all of them. Of several `workers` each allows its part.
    The kernel spreads connections over them, so a client who keeps to one connection has one part alone: once at the least.
    """

    def __init__(self, clients: Clients, rate_per_s: float, burst: int, *, workers: int = 1) -> None:
        self._clients = clients
        self._buckets = ClientBuckets(rate_per_s / workers, max(1.0, burst / workers)) if rate_per_s else None

    def take(self, request: web.BaseRequest) -> float:
        """Take the request into account; returns how many seconds its client has to wait, 0 where it may go on."""
        if self._buckets is None or self._clients.speaks_for_itself(request.remote, request.headers):
            return 0.0
        client = self._clients.client(request.remote, request.headers)
        return self._buckets.take(client, time.monotonic())

    def give_back(self, request: web.BaseRequest) -> None:
        """Give back what was taken ahead of an outcome that counts for nothing."""
        if self._buckets is None or self._clients.speaks_for_itself(request.remote, request.headers):
            return
        client = self._clients.client(request.remote, request.headers)
        self._buckets.give_back(client, time.monotonic())


class Streams:
    """How many endless answers each client has open: `most` at the same time."""

    def __init__(self, clients: Clients, most: int) -> None:
        self._clients = clients
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, request: web.BaseRequest) -> Iterator[bool]:
        """Count a stream for as long as the block lasts; yields False, and counts none, where there are too many already."""
        if self._clients.speaks_for_itself(request.remote, request.headers):
            yield True
            return
        client = self._clients.client(request.remote, request.headers)
        if self._open[client] >= self._most:
            yield False
            return
        self._open[client] += 1
        try:
            yield True
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


def too_many_streams() -> web.Response:
    """Answer a client that has too many streams open."""
    detail = "Too many streams are open from your network; ask for the state from time to time instead."
    return problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many streams", detail, retry_after_s=_STREAM_RETRY_S)
