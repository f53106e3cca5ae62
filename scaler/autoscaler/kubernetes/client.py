"""One connection to an API server: requests and watches as JSON, limited in rate, with errors of our own.

It stands on kubernetes_asyncio's `ApiClient` for addresses, TLS, proxies and authentication, and leaves its typed models aside:
targets may be of any kind, and what is read of each is a handful of fields. It connects when it is first used, so that a
cluster which is down keeps nobody from starting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp
from kubernetes_asyncio.client.api_client import ApiClient

from autoscaler.clock import Clock
from autoscaler.errors import Throttled, Unauthorized, Unreachable, brief
from autoscaler.instrumentation.events import ApiAnswered, Instrument
from autoscaler.kubernetes.access import Access
from autoscaler.kubernetes.answers import Json, decode, error_of, error_of_status
from autoscaler.kubernetes.limiter import PATIENCE_S, Limiter
from autoscaler.wording import said

REQUEST_S = 10.0
CONNECT_S = 5.0
WATCH_SLACK_S = 15.0
"""How long after its announced end a silent watch is given up: the connection is dead then."""
STREAM_SILENCE_S = 3600.0
"""A log of which nothing was heard for so long is given up; whoever looks asks anew."""
TRIES = 3
"""Of one request which the server throttles, or whose credentials it does not take."""
CREDENTIALS_S = 30.0
"""How old credentials may be before they are read again; a service account's token is good for minutes after it is replaced."""
MERGE_PATCH = "application/merge-patch+json"

Query: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How fast requests may follow each other: client-go's controllers use 20/s, 30 at once.

    `in_flight` bounds how many wait for their answers at the same time. Over HTTP/1.1 each has a connection of its own, which
    takes a quarter of a megabyte with TLS. Watches and logs are not counted: of those there are as many as targets and readers.
    """

    per_s: float = 20.0
    burst: int = 30
    in_flight: int = 64


class KubernetesClient:
    """Speaks to one API server. All of a process share one, and one limit. `instrument` hears of each answer."""

    def __init__(
        self,
        access: Access,
        clock: Clock,
        limits: ClientLimits | None = None,
        instrument: Instrument | None = None,
    ) -> None:
        limits = limits or ClientLimits()
        self._instrument = instrument
        self._access = access
        self._clock = clock
        self._limiter = Limiter(limits.per_s, limits.burst, clock)
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._api: ApiClient | None = None
        self._connecting = asyncio.Lock()
        self._refreshed_s = float("-inf")

    @property
    def namespace(self) -> str:
        """The namespace of what names none."""
        return self._access.namespace

    async def close(self) -> None:
        """Close all connections; another request opens new ones."""
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    async def get(self, path: str, query: Query = ()) -> Json:
        """Read something.

        Raises:
            KubernetesError: there is no such answer.
        """
        return await self.request("GET", path, query=query)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Json | None = None,
        content_type: str = "application/json",
        before_sending: Callable[[], None] | None = None,
    ) -> Json:
        """Send a request and return the answer. What is throttled is sent again when the server wants to hear of it.

        `before_sending` is called after all waiting, before each sending: what it raises keeps the request from being sent.

        Raises:
            KubernetesError: it was refused, or there is no answer.
        """
        for tries_left in reversed(range(TRIES)):
            await self._limiter.wait()
            async with self._slots:
                if before_sending is not None:
                    before_sending()
                response = await self._send(method, path, query, body, content_type, _request_timeout())
                async with response:
                    text = await _read(response)
                    if 200 <= response.status < 300:
                        return decode(text)
                    error = error_of(response.status, text, _lower(response.headers))
            if isinstance(error, Throttled):
                self._limiter.pause(error.retry_after_s)
            if not tries_left or not await self._may_help_to_retry(error):
                raise error
        raise AssertionError("not reached")

    async def watch(self, path: str, query: Query, timeout_s: int) -> AsyncGenerator[Json, None]:
        """Yield the events of a watch until the server ends it, which it does after `timeout_s`.

        Raises:
            Expired: it cannot go on from the version it was to start from.
            KubernetesError: it was refused, or the connection broke.
        """
        await self._limiter.wait()
        asked = (*query, ("watch", "1"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", str(timeout_s)))
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_S, sock_read=timeout_s + WATCH_SLACK_S
        )
        response = await self._send("GET", path, asked, None, "application/json", timeout)
        async with response:
            if response.status != 200:
                error = error_of(response.status, await _read(response), _lower(response.headers))
                if isinstance(error, Throttled):
                    self._limiter.pause(error.retry_after_s)
                await self._may_help_to_retry(error)
                raise error
            async with aclosing(_lines(response)) as lines:
                async for line in lines:
                    event = decode(line)
                    if event.get("type") == "ERROR":
                        raise error_of_status(event.get("object"))
                    yield event

    async def stream(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        """Yield what the server sends, as it comes, until it ends: a log.

        Raises:
            KubernetesError: it was refused, or the connection broke.
        """
        await self._limiter.wait()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=STREAM_SILENCE_S)
        response = await self._send("GET", path, query, None, "application/json", timeout, accept="*/*")
        async with response:
            if response.status != 200:
                raise error_of(response.status, await _read(response), _lower(response.headers))
            try:
                async for chunk in response.content.iter_any():
                    yield chunk
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise _unreachable(error) from error

    async def _may_help_to_retry(self, error: Exception) -> bool:
        if isinstance(error, Unauthorized):  # token or certificate may have been replaced a moment ago
            if self._api is not None and self._api.configuration.cert_file:
                await self.close()
            await self._refresh(max_age_s=0.0)
            return True
        return isinstance(error, Throttled) and error.retry_after_s <= PATIENCE_S

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        verb = "watch" if ("watch", "1") in query else method.lower()
        started_s, code = self._clock.monotonic_s(), "none"
        try:
            response = await self._send_once(method, path, query, body, content_type, timeout, accept)
            code = str(response.status)
        finally:
            if self._instrument is not None:
                self._instrument.record(ApiAnswered(verb, code, self._clock.monotonic_s() - started_s))
        return response

    async def _send_once(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        accept: str,
    ) -> aiohttp.ClientResponse:
        api = await self._connect()
        await self._refresh(max_age_s=CREDENTIALS_S)
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            response: aiohttp.ClientResponse = await api.call_api(
                path,
                method,
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
        except (
            aiohttp.ClientSSLError
        ) as error:  # certificates are replaced, too: the next request reads their files anew
            await self.close()
            raise _unreachable(error, api.configuration.host) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error, api.configuration.host) from error
        except RuntimeError as error:  # aiohttp's word for a session that has been closed meanwhile
            raise Unreachable("API server: the connection was given up") from error
        except ValueError as error:  # a header that is none; its text would show the token
            raise Unreachable("credentials: the token cannot be sent as a header") from error
        return response

    async def _connect(self) -> ApiClient:
        async with self._connecting:
            if self._api is None:
                configuration = await self._access.configure()
                self._refreshed_s = self._clock.monotonic_s()
                try:
                    self._api = _api_client(configuration)
                except (OSError, ValueError) as error:  # files of certificates which are missing, or none
                    raise Unreachable(f"credentials: {type(error).__name__}: {brief(error)}") from error
            return self._api

    async def _refresh(self, max_age_s: float) -> None:
        now_s = self._clock.monotonic_s()
        if self._api is None or now_s - self._refreshed_s < max_age_s:
            return
        self._refreshed_s = now_s
        await self._access.refresh(self._api.configuration)


def _api_client(configuration: Any) -> ApiClient:
    api = ApiClient(configuration)
    api.user_agent = "tidegate-scaler"
    return api


def _request_timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise _unreachable(error) from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for line in response.content:
            if line.strip():
                yield line
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception, host: str | None = None) -> Unreachable:
    server = "API server" if host is None else f"API server {host}"
    return Unreachable(f"{server}: {said(error)}")


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
