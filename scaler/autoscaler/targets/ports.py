"""Ports for the replicas of a pool: the lowest which neither the pool nor anybody else uses."""

from __future__ import annotations

import socket


class PortRange:
    """Gives out the ports from `first` to `last`."""

    def __init__(self, host: str, first: int, last: int) -> None:
        self._host = host
        self._ports = range(first, last + 1)
        self._taken: set[int] = set()

    def take(self) -> int | None:
        """Take a port; None while all are in use."""
        for port in self._ports:
            if port not in self._taken and self._is_free(port):
                self._taken.add(port)
                return port
        return None

    def release(self, port: int) -> None:
        """Give a port back."""
        self._taken.discard(port)

    def _is_free(self, port: int) -> bool:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do; without it a port would look busy for a minute after its last connection.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, port))
            except OSError:
                return False
        return True
