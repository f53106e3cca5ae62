"""A real Valkey for the scaler's tests: one server a session on a unix socket, emptied before each test."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from autoscaler import reload
from autoscaler.store.connection import open_client
from tests.autoscaler.fakes import ManualClock, Recorder
from tests.autoscaler.prometheus_server import Exporter, Prometheus, running_prometheus
from tests.stores import Valkey


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = Valkey(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@pytest.fixture(scope="session")
def exporter() -> Iterator[Exporter]:
    """What `prometheus` scrapes; metrics of the same name would meet in it, so each test takes names of its own."""
    exporter = Exporter()
    exporter.start()
    yield exporter
    exporter.stop()


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[Prometheus]:
    """A real Prometheus; a test that stops it starts it again."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), exporter.address) as server:
        yield server


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Redis]:
    client = open_client(store_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have documents looked at more often than people need it."""
    monkeypatch.setattr(reload, "WATCH_EVERY_S", 0.1)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
