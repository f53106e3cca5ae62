"""How long the proxy waits, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """Limits of the reverse proxy; times in seconds, None for no limit.

    Attributes:
        connect_s: until a connection to the shop stands; then the next replica is tried.
        read_s: between two pieces of the shop's answer, and until its first.
        total_s: for the whole exchange; it would cut long downloads, so there is none by default.
        body_s: between two pieces of a buyer's request body, and until the buyer takes the next piece of the answer, or message
            of a WebSocket: a connection to the shop is held meanwhile. In all, a body is waited for
            that long and a second for every 500 bytes of it.
        max_body_bytes: a larger request body is refused with 413.
        max_line_bytes: length of the request line and of one header line.
        max_message_bytes: length of one WebSocket message.
        watch_every_s: how often an open WebSocket's session is looked at.
    """

    connect_s: float = 2.0
    read_s: float = 60.0
    total_s: float | None = None
    body_s: float | None = 60.0
    max_body_bytes: int | None = None
    max_line_bytes: int = 16_384
    max_message_bytes: int = 1_048_576
    watch_every_s: float = 1.0
