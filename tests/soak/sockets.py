"""Which of a process's sockets are connections that others hold open to it, by Linux's own tables (proc(5))."""

from __future__ import annotations

from collections.abc import Iterable

_ESTABLISHED, _LISTENING = "01", "0A"
_LOCAL, _STATE, _INODE = 1, 3, 9


def inbound(tables: Iterable[str]) -> frozenset[str]:
    """Return the inodes of established connections to a port at which somebody listens, from texts of /proc/net/tcp and tcp6.

    How many there are is for whoever asks to say. One that its client has closed is no longer established: it counts as ours.
    """
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    ports = {_port(row[_LOCAL]) for row in rows if row[_STATE] == _LISTENING}
    return frozenset(
        row[_INODE] for row in rows if row[_STATE] == _ESTABLISHED and _port(row[_LOCAL]) in ports
    )


def _port(address: str) -> str:
    return address.rpartition(":")[2]
