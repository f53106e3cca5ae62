"""Reading addresses given on the command line."""

from __future__ import annotations


def parse_address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT`; `:PORT` means all interfaces, `[::1]:PORT` an IPv6 host.

    Raises:
        ValueError: not of this form, or the port is not in 1-65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT with a port from 1 to 65535")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - what `:PORT` is documented to mean
