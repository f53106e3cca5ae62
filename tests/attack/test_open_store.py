"""A store that asks nobody who they are is taken on this machine only, unless an operator says otherwise."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.errors import ConfigurationError as ScalerConfigurationError
from autoscaler.service import run_once
from autoscaler.store.connection import open_client
from rulebook.storeaddress import check_closed, read_address
from tests.autoscaler.console_stage import stage_settings
from waitingroom.errors import ConfigurationError
from waitingroom.serve import serving
from waitingroom.settings import ListenAddress, QueueSettings

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
