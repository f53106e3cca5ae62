"""Ports for servers which tests start: none of those that the system gives to outgoing connections, which come and go."""

from __future__ import annotations

import itertools
import os
import random
import socket
from typing import Final

_HOST: Final = "127.0.0.1"
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_PORTS: Final = range(11000 + 1000 * _WORKER, 12000 + 1000 * _WORKER)
"""Below what systems use for outgoing connections; a Valkey Cluster's own traffic takes the port 10,000 above each. Each process
that runs tests has its own: two rooms of several workers would share a port without an error, and their buyers."""
_ROWS: Final = range(29000 + 400 * _WORKER, 29400 + 400 * _WORKER)
"""Those that are given in rows, above the traffic of clusters; each process has its own of these too."""
_dice = random.SystemRandom()  # tests seed the common one, in each of the processes that run them
_order = itertools.cycle(_dice.sample(_PORTS, len(_PORTS)))
"""Each is given again only after all others: whoever was given one may not listen yet, and who spoke to the last that listened
there may still ask."""
_turned = _dice.randrange(len(_ROWS))
_in_row = itertools.cycle([*_ROWS[_turned:], *_ROWS[:_turned]])
"""The same of those in rows: they begin anywhere, and go on from the last that were given."""


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address which nobody listens on."""
    found: list[int] = []
    for port in itertools.islice(_order, len(_PORTS)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop}")


def free_row(count: int) -> int:
    """Return the first of so many consecutive ports of the loopback address which nobody listens on."""
    found: list[int] = []
    for port in itertools.islice(_in_row, 2 * len(_ROWS)):
        if not is_free(port):
            found = []
            continue
        found = [*found, port] if found and port == found[-1] + 1 else [port]
        if len(found) == count:
            return found[0]
    raise AssertionError(f"no {count} free ports in a row between {_ROWS.start} and {_ROWS.stop}")


def free_port() -> int:
    """Return one such port."""
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
