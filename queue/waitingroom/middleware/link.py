"""The link of a shop's process to the room: hears which sessions are over, has passes renewed, exchanges codes.

Two threads do it, so that it serves ASGI, WSGI and aiohttp alike; they start with the first request, in each process of a server
that forks. While the feed is connected an ended session is refused within 2 s. Cut off, passes hold until they expire:
`connected` says so, and so does the metric `tidegate_queue_gate_feed_connected`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable

import structlog

from waitingroom.gate.hours import Hours
from waitingroom.middleware.events import Hello, News, Over, Told, read_news
from waitingroom.middleware.renewals import Renewals
from waitingroom.middleware.roomclient import Admitted, RoomClient, RoomUnreachable

RENEW_EVERY_S = 60.0
_SILENT_S = 15.0  # three of the room's pings
_RETRY_S = 1.0
_RETRY_RENEWAL_S = 5.0
_OVER_REMEMBERED = 100_000

log = structlog.get_logger(__name__)


class RoomLink:
    """A link to the room at `url`, which may be another address than the one that buyers see.

    `renew_every_s` is shortened to suit short sessions. `silent_s`: for how long the feed may say nothing, not even that it is
    there, before it counts as cut off.

    Raises:
        ConfigurationError: `url` is not an http(s) address.
    """

    def __init__(
        self,
        url: str,
        *,
        context: ssl.SSLContext | None = None,
        renew_every_s: float = RENEW_EVERY_S,
        silent_s: float = _SILENT_S,
    ) -> None:
        self.connected = False
        self.renew_every_s = renew_every_s
        self._url = url
        self._silent_s = silent_s
        self._client = RoomClient(url, context)
        self._renewals = Renewals(self._client)
        self._over: dict[str, None] = {}
        self._hours: dict[str, Hours] = {}
        self._last_id = ""
        self._started_in = 0
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._wire: socket.socket | None = None

    @property
    def renewed(self) -> int:
        """How many passes were renewed."""
        return self._renewals.renewed

    def start(self) -> None:
        """See that the threads of this process run; cheap, called with every request."""
        if self._started_in != os.getpid():
            self._start()

    def close(self) -> None:
        """Send what has gathered and let the threads end."""
        self._stopping.set()
        self._wanted.set()
        wire = self._wire
        if wire is not None:
            with contextlib.suppress(OSError):  # it is closed already
                wire.shutdown(socket.SHUT_RDWR)

    def is_over(self, session: str) -> bool:
        """Tell whether this session is known to have ended."""
        return session in self._over

    def hours(self, onsale: str) -> Hours | None:
        """Return when an onsale guards its shop, as the room last said; None before it has."""
        return self._hours.get(onsale)

    def newest(self, token: str) -> str:
        """Return the newest pass of a token's session that is known here."""
        return self._renewals.newest(token)

    def note(self, onsale: str, session: str, token: str) -> None:
        """Note that a pass is in use and old enough to be renewed with the next batch."""
        self._renewals.note(onsale, session, token)

    def end(self, onsale: str, session: str, token: str, kind: str) -> None:
        """End a session: here at once, everywhere as soon as the room has heard."""
        self._note_over(session)
        self._renewals.end(onsale, session, token, kind)
        self._wanted.set()

    def exchange(self, code: str, device: str) -> Admitted:
        """Exchange a code for a pass; blocks.

        Raises:
            ExchangeRefused: the code admits nobody.
            RoomUnreachable: the room did not answer.
        """
        return self._client.exchange(code, device)

    def _start(self) -> None:
        with self._starting:
            if self._started_in == os.getpid() or self._stopping.is_set():
                return
            self._started_in = os.getpid()
            self.connected = False  # of the process which has forked, if at all
            work: tuple[Callable[[], None], ...] = (self._follow, self._send)
            for each in work:
                threading.Thread(target=each, name=f"tidegate{each.__name__}", daemon=True).start()

    def _follow(self) -> None:
        reachable = True
        while not self._stopping.is_set():
            try:
                self._listen()
                reason = "the room has closed the feed"
            except (OSError, http.client.HTTPException) as error:
                reason = f"{type(error).__name__}: {str(error)[:200]}"
            except Exception:  # this thread must go on hearing
                log.exception("feed_failed", room=self._url)
                reason = "a defect"
            if (self.connected or reachable) and not self._stopping.is_set():
                log.warning("feed_lost", room=self._url, reason=reason)
            reachable = self.connected = False
            self._stopping.wait(_RETRY_S)

    def _listen(self) -> None:
        with self._client.feed(self._last_id, self._silent_s) as (wire, lines):
            self._wire = wire
            try:
                for news in read_news(lines):
                    self._hear(news)
                    if self._stopping.is_set():
                        return
            finally:
                self._wire = None

    def _hear(self, news: News) -> None:
        match news:
            case Hello():
                self.connected = True
                log.info("feed_connected", room=self._url)
            case Over(session, id):
                self._note_over(session)
                self._last_id = id or self._last_id
            case Told(onsale, hours):
                self._hours[onsale] = hours

    def _note_over(self, session: str) -> None:
        self._over[session] = None
        while len(self._over) > _OVER_REMEMBERED:
            self._over.pop(next(iter(self._over)), None)

    def _send(self) -> None:
        wait_s = self.renew_every_s
        while True:
            self._wanted.wait(wait_s)
            self._wanted.clear()
            try:
                self._renewals.flush()
                wait_s = self.renew_every_s
            except RoomUnreachable as error:
                log.warning("renewals_kept", room=self._url, reason=str(error))
                wait_s = min(_RETRY_RENEWAL_S, self.renew_every_s)
            except Exception:  # renewals must go on for as long as buyers are inside
                log.exception("renewals_failed", room=self._url)
            if self._stopping.is_set():
                return
