"""A plain client of any Kubernetes API, for tests and their stand-in controllers: it says what it got, and retries nothing."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.autoscaler.kubernetes_api.patches import MERGE
from tests.autoscaler.kubernetes_api.statuses import Json


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    code: int
    body: Json
    headers: Mapping[str, str]


class Refused(Exception):
    """The server answered with an error where the test wanted none."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.code}: {reply.body.get('message', reply.body)}")
        self.reply = reply


class Client:
    """Speaks as one user; `open_client` makes one."""

    def __init__(
        self, http: aiohttp.ClientSession, address: str, context: ssl.SSLContext, token: str | None
    ) -> None:
        self._http = http
        self._address = address
        self._context = context
        self._token = token

    def speaking_as(self, token: str | None) -> Client:
        """Return a client of another user."""
        return Client(self._http, self._address, self._context, token)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> Reply:
        """Ask, and return whatever is answered."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": kind}
        async with self._request(method, path, data=data, headers=headers, params=query or {}) as response:
            text = await response.text()
            try:
                found = json.loads(text)
            except ValueError:
                found = {"message": text}
            return Reply(response.status, found, response.headers)

    async def get(self, path: str, **query: str) -> Json:
        """Return what is there.

        Raises:
            Refused: the answer is an error; so from the methods below.
        """
        return _good(await self.ask("GET", path, query=query))

    async def create(self, path: str, body: Json) -> Json:
        return _good(await self.ask("POST", path, body))

    async def replace(self, path: str, body: Json) -> Json:
        return _good(await self.ask("PUT", path, body))

    async def merge(self, path: str, body: Json) -> Json:
        """Patch by JSON merge patch."""
        return _good(await self.ask("PATCH", path, body, kind=MERGE))

    async def delete(self, path: str, body: Json | None = None) -> Json:
        return _good(await self.ask("DELETE", path, body))

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Json]]:
        """Open a watch; yields its events, which end when the server ends it.

        Raises:
            Refused: it is not opened.
        """
        async with self._request("GET", path, params={"watch": "1", **query}) as response:
            if response.status >= 400:
                raise Refused(Reply(response.status, await response.json(), response.headers))
            yield _lines(response)

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        headers = arguments.pop("headers", {})
        if self._token is not None:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        return self._http.request(
            method,
            self._address + path,
            headers=headers,
            ssl=self._context,
            allow_redirects=False,
            **arguments,
        )


@asynccontextmanager
async def open_client(address: str, context: ssl.SSLContext, token: str | None) -> AsyncIterator[Client]:
    """Open a client for the time of the context."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Client(http, address, context, token)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    buffer = b""
    async for chunk in response.content.iter_any():
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _good(reply: Reply) -> Json:
    if reply.code >= 400:
        raise Refused(reply)
    return reply.body
