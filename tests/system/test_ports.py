"""Ports for servers of tests: what was given is not given again before all else was, and no two processes share any."""

from __future__ import annotations

import socket

from tests import ports


def test_runs_of_ports_do_not_overlap_before_all_have_been_given() -> None:
    given = [ports.free_run(4) for _ in range(100)]
    assert len({port for first in given for port in range(first, first + 4)}) == 400
    assert not set(given) & set(ports.free_ports(500))


def test_a_run_goes_around_a_port_that_is_taken() -> None:
    first = ports.free_run(1)
    with socket.create_server(("127.0.0.1", first + 2)):
        run = ports.free_run(4)
    assert first + 2 not in range(run, run + 4)
