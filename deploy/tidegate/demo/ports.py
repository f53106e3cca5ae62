"""Free ports on this machine: the one people expect where it can be had, and one near it where not."""

from __future__ import annotations

import socket

from tidegate.demo.errors import DemoError

HOST = "127.0.0.1"
_TRIES = 100


def free_port(preferred: int) -> int:
    """Return the first free port from `preferred` on.

    Raises:
        DemoError: there is none among the next hundred.
    """
    for port in range(preferred, preferred + _TRIES):
        if _is_free(port):
            return port
    raise DemoError(f"no free port from {preferred} to {preferred + _TRIES - 1}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do; without it a port would look busy for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True
