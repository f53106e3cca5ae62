"""Free ports on this machine: the one people expect where it can be had, and one near it where not."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

from tidegate.demo.errors import DemoError

HOST = "127.0.0.1"
_TRIES = 100
_kept: dict[int, int] = {}
"""Ports given out by this process, each with the descriptor of the file that keeps it."""


def free_port(preferred: int) -> int:
    """Return the first free port from `preferred` on, and keep it from other demos for as long as this process lives.

    Between the look and the moment at which a server listens another demo may look, too.

    Raises:
        DemoError: there is none among the next hundred.
    """
    for port in range(preferred, preferred + _TRIES):
        if _keep(port):
            if _is_free(port):
                return port
            _let_go(port)
    raise DemoError(f"no free port from {preferred} to {preferred + _TRIES - 1}")


def _keep(port: int) -> bool:
    if port in _kept:
        return True
    name = Path(tempfile.gettempdir()) / f"tidegate-{os.getuid()}-port-{port}"
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return True  # nowhere to keep anything: the look alone must do
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _kept[port] = descriptor
    return True


def _let_go(port: int) -> None:
    descriptor = _kept.pop(port, None)
    if descriptor is not None:
        os.close(descriptor)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do; without it a port would look busy for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True
