"""A buyer's browser, as little of one as does the job: its own few cookies, and requests which never raise.

Ten thousand of them share one connection pool; a cookie jar each would cost more than everything else.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tidegate.demo.records import BUYER_HEADER, CONNECTION_FAILED

HTML = "text/html,application/xhtml+xml"
JSON = "application/json"

_TIMEOUT = aiohttp.ClientTimeout(total=120.0, sock_connect=10.0)
_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` is CONNECTION_FAILED where nothing did. Times by this machine's clock, in seconds."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    begun_s: float
    latency_s: float

    def document(self) -> dict[str, Any]:
        """Return the JSON object in the body, an empty one where there is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def retry_after_s(self, otherwise: float) -> float:
        """Return how long the server asks us to wait, `otherwise` where it does not say."""
        try:
            return max(0.0, float(self.headers.get("Retry-After", otherwise)))
        except ValueError:
            return otherwise


def open_pool() -> aiohttp.ClientSession:
    """Open the connection pool which all browsers share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_TIMEOUT,
        skip_auto_headers=("User-Agent",),
    )


class Browser:
    """One buyer's browser; all its tabs share the cookies."""

    def __init__(self, pool: aiohttp.ClientSession, buyer: int) -> None:
        """Start without cookies."""
        self._pool = pool
        self._buyer = str(buyer)
        self._cookies: dict[str, tuple[str, str]] = {}

    async def get(self, url: URL, accept: str = JSON) -> Answer:
        """Request a page; redirects are the caller's to follow."""
        return await self._request("GET", url, accept)

    async def post(self, url: URL) -> Answer:
        """Send an empty form."""
        return await self._request("POST", url, JSON)

    async def _request(self, method: str, url: URL, accept: str) -> Answer:
        headers = {"Accept": accept, BUYER_HEADER: self._buyer}
        cookies = "; ".join(
            f"{name}={value}" for name, (value, path) in self._cookies.items() if _covers(path, url.path)
        )
        if cookies:
            headers["Cookie"] = cookies
        begun = time.time()
        try:
            async with self._pool.request(method, url, headers=headers, allow_redirects=False) as response:
                body = await response.read()
                self._keep_cookies(response.headers)
                return Answer(response.status, response.headers, body, begun, time.time() - begun)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return Answer(CONNECTION_FAILED, _NO_HEADERS, b"", begun, time.time() - begun)

    def _keep_cookies(self, headers: CIMultiDictProxy[str]) -> None:
        for line in headers.getall("Set-Cookie", ()):
            pair, *attributes = line.split(";")
            name, _, value = pair.strip().partition("=")
            path = "/"
            for attribute in attributes:
                key, _, setting = attribute.strip().partition("=")
                if key.lower() == "path" and setting:
                    path = setting
            self._cookies[name] = (value, path)


def _covers(cookie_path: str, path: str) -> bool:
    """Tell whether a cookie of `cookie_path` is sent to `path` (RFC 6265, 5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"
