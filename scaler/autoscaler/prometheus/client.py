"""Asks a Prometheus over HTTP: instant and range queries, each within a deadline.

An own small client on aiohttp rather than `prometheus-api-client` in a thread: a deadline has to free the connection and stop
the query in the server, which a blocked thread cannot; thousands of queries an interval must not mean as many hand-overs
between threads; and certificates must be exchangeable while we run. (`prometheus-api-client` serves the backtest, which has
time.) It knows no rules and no cache: `shared` asks, `answers` reads.

Tried again are refused and broken connections, 429 and 5xx, a few times with jitter, as long as the deadline allows. A server
that says the query itself took too long is not asked again: that would only add to its load.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp

from autoscaler.bodies import read_bounded
from autoscaler.clock import Clock
from autoscaler.errors import ConfigurationError, brief
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.prometheus.answers import (
    Number,
    Payload,
    Series,
    decode,
    problem_of,
    read_number,
    read_series,
)
from autoscaler.prometheus.credentials import Credentials, CredentialsUnreadable
from autoscaler.wording import said
from rulebook.observation import Missing

INSTANT_LIMIT_BYTES: Final = 2**20
"""One number takes two hundred bytes; whoever gets a megabyte forgot a sum()."""
RANGE_LIMIT_BYTES: Final = 16 * 2**20
ERROR_LIMIT_BYTES: Final = 64 * 2**10
LONGEST_GET: Final = 2000
"""Longer queries go by POST; shorter ones by GET, which proxies that let people only read allow."""

ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 0.25
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
_QUERY_TOOK_TOO_LONG: Final = frozenset({"timeout", "canceled"})


class _Failed(Exception):
    """There is no answer; the message says why. `again_after_s` is None where asking again is of no use."""

    def __init__(self, reason: str, again_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again_after_s = again_after_s


class PrometheusClient:
    """One server, asked by all rules of a process."""

    def __init__(
        self,
        access: PrometheusAccess,
        http: aiohttp.ClientSession,
        clock: Clock,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._access = access
        self._http = http
        self._clock = clock
        self._uniform = uniform
        self._credentials = Credentials(access)
        self._turns = asyncio.Semaphore(access.concurrency)

    def check(self) -> None:
        """See that all files with credentials can be used.

        Raises:
            ConfigurationError: one cannot.
        """
        try:
            self._credentials.authorization()
            self._credentials.tls()
        except CredentialsUnreadable as error:
            raise ConfigurationError(f"--prometheus {self._access.url}: {error}") from error

    async def instant(self, promql: str, deadline_s: float) -> Number | Missing:
        """Evaluate a query now, by the server's clock; nothing is raised."""
        payload = await self._ask("query", {"query": promql}, deadline_s, INSTANT_LIMIT_BYTES)
        if isinstance(payload, Missing):
            return payload
        number = read_number(payload)
        complaints = self._credentials.complaints
        if complaints and isinstance(number, Number):
            note = "; ".join(text for text in (number.note, complaints) if text)
            return Number(number.value, number.evaluated_at_s, note)
        return number

    async def range(
        self, promql: str, start_s: float, end_s: float, step_s: float, deadline_s: float
    ) -> Series | Missing:
        """Evaluate a query over a range; nothing is raised. A server gives at most 11,000 points."""
        times = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        payload = await self._ask("query_range", {"query": promql, **times}, deadline_s, RANGE_LIMIT_BYTES)
        return payload if isinstance(payload, Missing) else read_series(payload)

    async def _ask(
        self, path: str, fields: Mapping[str, str], deadline_s: float, limit_bytes: int
    ) -> Payload | Missing:
        try:
            async with asyncio.timeout(deadline_s):
                return await self._insist(path, fields, deadline_s, limit_bytes)
        except TimeoutError:
            return Missing(f"no answer within {deadline_s:g} s")
        except _Failed as failure:
            return Missing(failure.reason)

    async def _insist(
        self, path: str, fields: Mapping[str, str], deadline_s: float, limit_bytes: int
    ) -> Payload:
        """Ask until there is an answer, it is of no use to ask again, or the time left would not do for the pause."""
        ends_s = self._clock.monotonic_s() + deadline_s
        pause_s = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            left_s = ends_s - self._clock.monotonic_s()
            try:
                async with self._turns:
                    return await self._once(path, fields, max(left_s, 0.01), limit_bytes)
            except _Failed as failure:
                if failure.again_after_s is None or attempt == ATTEMPTS - 1:
                    raise
                wait_s = max(self._uniform(0.5 * pause_s, 1.5 * pause_s), failure.again_after_s)
                if wait_s >= ends_s - self._clock.monotonic_s():
                    raise
            await self._clock.sleep(wait_s)
            pause_s *= 2
        raise AssertionError("unreachable")

    async def _once(self, path: str, fields: Mapping[str, str], left_s: float, limit_bytes: int) -> Payload:
        # `timeout` has the server give up when we do. Thanos would rather answer with a part: that is what
        # `partial_response` forbids; others ignore it.
        sent = {**fields, "timeout": f"{left_s * 1000:.0f}ms", "partial_response": "false"}
        by_post = len(fields["query"]) > LONGEST_GET
        try:
            async with self._http.request(
                "POST" if by_post else "GET",
                f"{self._access.api}/{path}",
                params=None if by_post else sent,
                data=sent if by_post else None,
                headers=self._headers(),
                ssl=self._credentials.tls(),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(),
            ) as response:
                return await _payload(response, limit_bytes)
        except CredentialsUnreadable as error:
            raise _Failed(str(error)) from error
        except aiohttp.ClientSSLError as error:
            raise _Failed(brief(f"{self._access.url}: TLS: {said(error)}")) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise _Failed(brief(f"{self._access.url}: {said(error)}"), 0.0) from error
        except aiohttp.ClientError as error:
            raise _Failed(brief(f"{self._access.url}: {said(error)}")) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "tidegate", **dict(self._access.headers)}
        authorization = self._credentials.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        return headers


async def _payload(response: aiohttp.ClientResponse, limit_bytes: int) -> Payload:
    """Read an answer.

    Raises:
        _Failed: it holds no result.
    """
    status, good = response.status, response.status == 200
    body = await read_bounded(response, limit_bytes if good else ERROR_LIMIT_BYTES)
    if body is None and good:
        raise _Failed(f"the answer is larger than {limit_bytes >> 20} MiB: have the query give one series")
    payload = decode(body or b"")
    problem = problem_of(status, response.content_type, payload)
    if problem is None and payload is not None:
        return payload
    again_after_s = _retry_after_s(response.headers.get("Retry-After", "")) if status in _AGAIN else None
    if payload is not None and payload.get("errorType") in _QUERY_TOOK_TOO_LONG:
        again_after_s = None
    raise _Failed(problem or "no answer", again_after_s)


def _retry_after_s(text: str) -> float:
    """Read Retry-After in seconds; dates, which nobody sends here, count as 0."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
