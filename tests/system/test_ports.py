"""Ports for servers of tests: what was given is not given again before all else was, and no two processes share any."""

from __future__ import annotations

import socket

from tests import ports


def test_rows_of_ports_do_not_overlap_before_all_have_been_given() -> None:
    given = [ports.free_row(4) for _ in range(50)]
    assert len({port for first in given for port in range(first, first + 4)}) == 200
    assert not set(given) & set(ports.free_ports(500))


def test_a_row_goes_around_a_port_that_is_taken() -> None:
    first = ports.free_row(1)
    with socket.create_server(("127.0.0.1", first + 2)):
        row = ports.free_row(4)
    assert first + 2 not in range(row, row + 4)
