"""What a buyer sends and reads: requests as bytes, and the few members of an answer that a buyer goes by.

Answers are scanned for their members, not parsed: a driver that parses JSON would be slower than the room which it measures.
"""

from __future__ import annotations

from typing import NamedTuple

from waitingroom.web.cookies import DEVICE_COOKIE, PLACE_COOKIE

HEAD_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "
_LENGTH = b"\r\ncontent-length: "


class Joined(NamedTuple):
    """What a join answered: the place as its token, its number, and the seconds until the first question."""

    token: bytes
    number: int
    retry_after_s: float


class Told(NamedTuple):
    """What a status answered, true for the store's time `as_of_s`."""

    state: bytes
    position: int
    retry_after_s: float
    as_of_s: float


class Questions:
    """The requests of one onsale's buyers; a buyer is known by the number of its device."""

    def __init__(self, onsale: str, host: str) -> None:
        rest = f" HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
        device = f"Cookie: {DEVICE_COOKIE}="
        self._status = f"GET /{onsale}/status{rest}{device}".encode()
        self._join = f"POST /{onsale}/join{rest}Content-Length: 0\r\n{device}".encode()
        self._enter = f"POST /{onsale}/enter{rest}Content-Length: 0\r\n{device}".encode()
        self._place = f"; {PLACE_COOKIE}=".encode()

    def join(self, device: int, token: bytes = b"") -> bytes:
        """Join; with `token`, as a page does which is loaded again."""
        place = self._place + token if token else b""
        return b"%b%022d%b%b" % (self._join, device, place, HEAD_END)

    def status(self, device: int, token: bytes) -> bytes:
        """Ask where the place stands."""
        return b"%b%022d%b%b%b" % (self._status, device, self._place, token, HEAD_END)

    def enter(self, device: int, token: bytes) -> bytes:
        """Claim the place whose turn has come."""
        return b"%b%022d%b%b%b" % (self._enter, device, self._place, token, HEAD_END)


def is_ok(answer: bytes) -> bool:
    """Tell whether an answer is a 200."""
    return answer.startswith(_OK)


def whole_length(data: bytes) -> int | None:
    """Return how long the answer is with which `data` begins; None while its head is not there yet.

    Raises:
        ValueError: its head tells no length.
    """
    end = data.find(HEAD_END)
    if end < 0:
        return None
    head = data[: end + 2].lower()
    start = head.find(_LENGTH)
    if start < 0:
        raise ValueError("an answer without a length")
    start += len(_LENGTH)
    return end + 4 + int(head[start : head.index(b"\r", start)])


def read_joined(answer: bytes) -> Joined:
    """Read the answer to a join."""
    return Joined(
        _text(answer, b'"place":"'),
        int(_plain(answer, b'"number":')),
        float(_plain(answer, b'"retry_after":')),
    )


def read_told(answer: bytes) -> Told:
    """Read the answer to a status; a position that is not known counts as 0."""
    position = _plain(answer, b'"position":')
    return Told(
        _text(answer, b'"state":"'),
        0 if position == b"null" else int(position),
        float(_plain(answer, b'"retry_after":')),
        float(_plain(answer, b'"as_of":')),
    )


def _plain(answer: bytes, name: bytes) -> bytes:
    start = answer.index(name) + len(name)
    return answer[start : answer.index(b",", start)]


def _text(answer: bytes, name: bytes) -> bytes:
    start = answer.index(name) + len(name)
    return answer[start : answer.index(b'"', start)]
