"""A store that asks nobody who they are is taken on this machine only, unless an operator says otherwise."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from autoscaler.errors import ConfigurationError as ScalerConfigurationError
from autoscaler.service import run_once
from autoscaler.store.connection import open_client
from rulebook.storeaddress import check_closed, read_address
from tests.autoscaler.console_stage import stage_settings
from tests.ports import free_ports
from tests.stores import SentinelServer, TcpValkey, eventually
from waitingroom.errors import ConfigurationError
from waitingroom.serve import serving
from waitingroom.settings import ListenAddress, QueueSettings
from waitingroom.store.connect import connect

ELSEWHERE = "192.0.2.1"
"""An address for documents, which nobody has: whoever gets so far as to ask there hears nothing."""

HERE = [
    "redis://127.0.0.1:6379/0",
    "redis://127.8.9.10",
    "redis://localhost",
    "redis://[::1]:6379",
    "unix:///run/valkey.sock",
    "redis+sentinel://127.0.0.1:1,localhost:2/tide",
]
OPEN = [
    "redis://valkey:6379/0",
    "redis://10.0.0.5",
    "redis://0.0.0.0",
    "redis://localhost.example.org",
    "redis://[2001:db8::1]",
    "rediss://valkey",
    "redis://user@valkey",
    "redis+sentinel://127.0.0.1:1,sentinel-2:2/tide",
    "redis+cluster://a:7000,b:7001",
]
CLOSED = ["redis://:secret@valkey", "redis://user:secret@10.0.0.5", "redis+cluster://u:p@a:1,b:2"]


@pytest.mark.parametrize("url", HERE + CLOSED)
def test_a_store_on_this_machine_or_with_a_password_is_taken(url: str) -> None:
    check_closed(read_address(url), allow_open=False)


@pytest.mark.parametrize("url", OPEN)
def test_a_store_elsewhere_without_a_password_is_refused_unless_it_is_allowed(url: str) -> None:
    with pytest.raises(ValueError, match=r"no password for .*--allow-open-store"):
        check_closed(read_address(url), allow_open=False)
    check_closed(read_address(url), allow_open=True)


def test_a_certificate_of_our_own_counts_as_a_password(tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / name).write_text("pem")
    url = f"rediss://valkey?ssl_certfile={tmp_path}/cert&ssl_keyfile={tmp_path}/key"
    check_closed(read_address(url), allow_open=False)


async def test_the_room_does_not_open_with_an_open_store(tmp_path: Path) -> None:
    settings = QueueSettings(
        onsales=tmp_path,
        store="redis://valkey.example.org/0",
        keys=tmp_path / "keys",
        listen=ListenAddress("127.0.0.1", 0),
        room_url="http://127.0.0.1",
    )
    with pytest.raises(ConfigurationError, match=r"store 'redis://valkey.example.org:6379': no password"):
        async with serving(settings):
            pass
    with pytest.raises(ConfigurationError, match="holds no"):  # the next thing that is wrong
        async with serving(replace(settings, allow_open_store=True)):
            pass


async def test_the_scaler_does_not_start_with_an_open_store(tmp_path: Path) -> None:
    settings = stage_settings(tmp_path, "redis://valkey.example.org")
    with pytest.raises(ScalerConfigurationError, match="no password for valkey"):
        await asyncio.wait_for(run_once(settings), 30)
    await open_client(settings.store_url, allow_open=True).aclose()


@pytest.fixture(scope="module")
def sentinel() -> Iterator[str]:
    """The address of a Sentinel on this machine, whose master is elsewhere."""
    here, port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = SentinelServer(
            Path(folder) / "sentinel", port, TcpValkey(Path(folder) / "master", here), "here"
        )
        try:
            server.start()
            server.ask("SENTINEL", "MONITOR", "tide", ELSEWHERE, 6379, 1)
            server.ask("SENTINEL", "SET", "tide", "down-after-milliseconds", 3_600_000)
            yield f"redis+sentinel://%s{server.address}/tide"
        finally:
            server.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a server on this machine, which says that its cluster is elsewhere."""
    port, bus = free_ports(2)
    options = {"cluster-enabled": "yes", "cluster-port": str(bus), "cluster-announce-ip": ELSEWHERE}
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = TcpValkey(Path(folder) / "node", port, **options)
        try:
            server.start()
            server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            eventually(lambda: "cluster_state:ok" in server.ask("CLUSTER", "INFO"))
            yield f"redis+cluster://%s{server.address}"
        finally:
            server.stop()


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
@pytest.mark.parametrize("open_store", [connect, open_client], ids=["room", "scaler"])
async def test_a_store_elsewhere_that_somebody_here_names_is_refused_as_well(
    request: pytest.FixtureRequest, open_store: Callable[..., Any], kind: str
) -> None:
    url: str = request.getfixturevalue(kind)
    async with aclosing(open_store(url % "")) as client:
        for _ in range(2):  # it looks each time
            with pytest.raises(
                StoreConnectionError, match=rf"no password for {ELSEWHERE}.*--allow-open-store"
            ):
                await client.get("{cactus}:room")
    async with aclosing(open_store(url % "", allow_open=True)) as client:
        with pytest.raises((StoreConnectionError, StoreTimeoutError)) as asked:
            await client.get("{cactus}:room")
        assert "no password" not in str(asked.value)
