"""Speaks to the room's admin API: what its onsales do, and what operators want of them. One token for all who use the console.

What is asked often is asked of the room once a second at most, however many pages are open.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import aiohttp

from autoscaler.errors import AutoscalerError, OutcomeUnknown, brief

TIMEOUT_S: Final = 5.0
FRESH_S: Final = 1.0
MOST: Final = 50
"""How many onsales are asked for in detail."""
MAX_ANSWER: Final = 1024 * 1024

Json: TypeAlias = Mapping[str, Any]


class RoomError(AutoscalerError):
    """The room did not answer, or refused; the message is for an operator."""


class RoomSilent(RoomError, OutcomeUnknown):
    """The room was asked to act, and it is not known whether it did."""


@dataclass(frozen=True, slots=True)
class Overview:
    """All onsales in detail, in the order of their names; or why they are not known."""

    onsales: tuple[Json, ...] = ()
    error: str = ""


class RoomAdmin:
    """The admin API at one address."""

    def __init__(self, address: str, token_file: Path, http: aiohttp.ClientSession) -> None:
        self._address = address.rstrip("/")
        self._token_file = token_file
        self._http = http
        self._asking = asyncio.Lock()
        self._overview = Overview(error="not asked yet")
        self._asked_s = float("-inf")
        self._known: dict[str, Json] = {}

    async def overview(self) -> Overview:
        """Return all onsales; never raises."""
        async with self._asking:
            if time.monotonic() - self._asked_s >= FRESH_S:
                try:
                    self._overview = Overview(await self._all())
                    self._known = {str(answer.get("name")): answer for answer in self._overview.onsales}
                except RoomError as error:
                    self._overview = Overview(error=str(error))
                self._asked_s = time.monotonic()
            return self._overview

    def known(self, name: str) -> Json | None:
        """Return an onsale as it was when the room last answered for all of them; None for one that was not there."""
        return self._known.get(name)

    async def onsale(self, name: str) -> Json:
        """Return one onsale in detail.

        Raises:
            RoomError: there is no answer, or no such onsale.
        """
        return await self._ask("GET", f"onsales/{quote(name, safe='')}")

    async def changes(self, name: str) -> tuple[Json, ...]:
        """Return the last changes of an onsale, newest first.

        Raises:
            RoomError: there is no answer.
        """
        answer = await self._ask("GET", f"audit?onsale={quote(name, safe='')}&limit=30")
        return tuple(entry for entry in answer.get("entries", ()) if isinstance(entry, dict))

    async def act(self, name: str, action: str, body: Json, request_id: str) -> Json:
        """Carry out an action; the room's own log carries `request_id`.

        Raises:
            RoomSilent: there is no answer: it may have been carried out or not.
            RoomError: it was refused, or the room could not be asked.
        """
        self._asked_s = float("-inf")
        return await self._ask("POST", f"onsales/{quote(name, safe='')}/{action}", body, request_id)

    async def _all(self) -> tuple[Json, ...]:
        listed = (await self._ask("GET", "onsales")).get("onsales", ())
        names = [
            entry["name"]
            for entry in listed
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        ]
        return tuple(await asyncio.gather(*(self.onsale(name) for name in names[:MOST])))

    async def _ask(self, method: str, path: str, body: Json | None = None, request_id: str = "") -> Json:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        if request_id:
            headers["X-Request-Id"] = request_id
        url = f"{self._address}/admin/v1/{path}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._http.request(
                method, url, json=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                text = await answer.content.read(MAX_ANSWER)
                while len(text) < MAX_ANSWER and (more := await answer.content.read(MAX_ANSWER)):
                    text += more
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise RoomError(f"the room at {self._address} cannot be reached: {brief(error)}") from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            kind = RoomError if body is None else RoomSilent
            raise kind(f"the room at {self._address} cannot be reached: {brief(error)}") from error
        document = _document(text)
        if answer.status >= 400 or document is None:
            kind = RoomSilent if body is not None and answer.status >= 500 else RoomError
            raise kind(_refusal(self._address, answer.status, document))
        return document

    def _token(self) -> str:
        try:
            token = self._token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RoomError(f"the token for the room cannot be read from {self._token_file}") from error
        if not token or not token.isascii() or not token.isprintable():
            raise RoomError(f"{self._token_file} holds no token for the room")
        return token


def _document(text: bytes) -> Json | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refusal(address: str, status: int, document: Json | None) -> str:
    if document is None or (status == 404 and "status" not in document):
        return f"{address} has no admin API (status {status}): start the room with --admin-tokens"
    if status == 503:  # its own words are for buyers
        return f"the room at {address} does not reach its store: what was asked for may have been done or not; look again"
    problems = document.get("problems", ())
    told = "; ".join(str(each.get("message", "")) for each in problems if isinstance(each, dict))
    if status == 401:
        return "the room does not know the console's token: see --room-admin-token-file"
    return brief(f"{document.get('detail', f'status {status}')} {told}".strip())
