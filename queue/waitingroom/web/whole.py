"""Answers written in one piece: head and body as bytes, put together here once and handed to the connection as they are.

aiohttp's own response builds a multidict, asks every hook and serialises all of it again for each answer, which takes longer than
what the answer says. This is for the few answers that go out by the million; each is a 200 on a connection that stays open.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE


class WholeAnswer(web.StreamResponse):
    """An answer that is ready to be sent. No hook sees it and nothing is added: its maker has said everything in its head."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._sent = False

    @property
    def prepared(self) -> bool:
        """Tell whether it has been sent."""
        return self._sent

    @property
    def keep_alive(self) -> bool:
        """The connection stays open."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it.

        Raises:
            ConnectionError: the client has gone.
        """
        if not self._sent:
            self._sent = True
            await request.writer.write(self._data)
            # A client that asks on and on and reads nothing is waited for, as its answers would fill our memory.
            await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the end was sent with the beginning."""


class Heads:
    """Heads of such answers; `always` are the lines which each of them carries."""

    def __init__(self, always: str) -> None:
        self._always = always
        self._second = -1
        self._start = ""

    def start(self) -> str:
        """Return status line and the lines that all answers share, put together once a second as the date changes."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True)
            self._start = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: {SERVER_SOFTWARE}\r\n{self._always}"
        return self._start


def lines(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as lines of a head.

    Raises:
        ValueError: a value would end its line.
    """
    text = ""
    for name, value in headers:
        if not value.isprintable():
            raise ValueError(f"{name}: holds a control character")
        text += f"{name}: {value}\r\n"
    return text
