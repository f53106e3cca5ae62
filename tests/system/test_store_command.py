"""`tidegate store serve` is a real store which keeps what it was given, on loopback alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.ports import free_ports
from tests.stores import eventually


@contextmanager
def store(folder: Path, port: int) -> Iterator[redis.Redis]:
    command = [sys.executable, "-m", "tidegate", "store", "serve", "--port", str(port), "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with redis.Redis(port=port, decode_responses=True, socket_timeout=30) as client:
            try:
                eventually(client.ping)
                yield client
            finally:
                process.terminate()
        assert process.wait(60) == 0


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with store(tmp_path / "data", port) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
    with store(tmp_path / "data", port) as client:
        assert client.get("kept") == "yes"
