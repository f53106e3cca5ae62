"""The room's HTTP interface as threads of a shop use it: blocking, with bounded times and sizes."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from waitingroom.errors import ConfigurationError, WaitingRoomError
from waitingroom.middleware.events import MAX_LINE_BYTES

_ASK_WITHIN_S = 3.0
_MAX_ANSWER_BYTES = 1_048_576


class RoomUnreachable(WaitingRoomError):
    """The room did not answer, or not in a way that can be read; asking again later is safe."""


class ExchangeRefused(WaitingRoomError):
    """The room says that a code admits nobody."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the room gave for a code: the signed pass, the session's hard end (unix seconds) and where to go on."""

    token: str
    ends_at_s: float
    location: str


class RoomClient:
    """Asks the room at `url`.

    Raises:
        ConfigurationError: `url` is not an http(s) address.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(f"room {url!r}: not an http:// or https:// address")
        self._https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._context = context

    def exchange(self, code: str, device: str) -> Admitted:
        """Exchange a code for a pass of `device` (its hash).

        Raises:
            ExchangeRefused: the code admits nobody.
            RoomUnreachable: the room did not answer.
        """
        status, document = self._post("/gate/exchange", {"code": code, "device": device})
        if status == HTTPStatus.GONE:
            raise ExchangeRefused(str(document.get("reason", "unknown")))
        if status != HTTPStatus.OK:
            raise RoomUnreachable(f"the room answered an exchange with {status}")
        try:
            return Admitted(str(document["pass"]), float(document["ends"]), str(document["location"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RoomUnreachable("the room's answer to an exchange cannot be read") from error

    def renew(self, onsale: str, tokens: Sequence[str]) -> list[str | None]:
        """Return the renewed passes, in their order; None for one that holds no more.

        Raises:
            RoomUnreachable: the room did not answer.
        """
        status, document = self._post("/gate/renew", {"onsale": onsale, "passes": list(tokens)})
        renewed = document.get("passes")
        if status != HTTPStatus.OK or not isinstance(renewed, list) or len(renewed) != len(tokens):
            raise RoomUnreachable(f"the room answered a renewal with {status}")
        return [token if isinstance(token, str) else None for token in renewed]

    def end(self, onsale: str, tokens: Sequence[str], kind: str) -> None:
        """End the sessions of passes.

        Raises:
            RoomUnreachable: the room did not answer.
        """
        status, _ = self._post("/gate/end", {"onsale": onsale, "passes": list(tokens), "kind": kind})
        if status != HTTPStatus.OK:
            raise RoomUnreachable(f"the room answered an end with {status}")

    @contextmanager
    def feed(self, last_id: str, silent_s: float) -> Iterator[tuple[socket.socket, Iterator[bytes]]]:
        """Open the feed of revocations; yields its socket, by which another thread may cut it, and its lines.

        Raises:
            OSError, http.client.HTTPException: it cannot be had, broke off, or was silent for `silent_s`.
        """
        connection = self._connect(silent_s)
        try:
            connection.connect()
            wire: socket.socket = connection.sock
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
            connection.request("GET", f"{self._base}/gate/revocations", headers=headers)
            with connection.getresponse() as answer:
                if answer.status != HTTPStatus.OK:
                    raise OSError(f"the room answered {answer.status}")
                yield wire, _lines(answer)
        finally:
            connection.close()

    def _post(self, path: str, document: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        connection = self._connect(_ASK_WITHIN_S)
        try:
            body = json.dumps(document).encode()
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", self._base + path, body=body, headers=headers)
            with connection.getresponse() as answer:
                content = answer.read(_MAX_ANSWER_BYTES + 1)
                status = answer.status
            answered = json.loads(content) if len(content) <= _MAX_ANSWER_BYTES else None
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise RoomUnreachable(f"room unreachable: {type(error).__name__}: {str(error)[:200]}") from error
        finally:
            connection.close()
        if not isinstance(answered, dict):
            raise RoomUnreachable(f"the room's answer ({status}) is not a JSON object")
        return status, answered

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._https:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline(MAX_LINE_BYTES):
        yield line
