"""Whoever says next to nothing to the scaler is sent away: its files are for the store, Prometheus and the API server."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from autoscaler import service
from autoscaler.patience import Patience
from tests.autoscaler.running import running_scaler, write_documents

WITHIN_S = 30.0
HEAD = b"GET /healthz HTTP/1.1\r\nHost: scaler\r\n"


@pytest.mark.parametrize("sent", [b"", b"G", HEAD], ids=["nothing", "a letter", "half a head"])
async def test_a_head_that_does_not_come_ends_the_connection(
    sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "Patience", partial(Patience, head_within_s=2.0))
    async with running_scaler(replace(write_documents(tmp_path), dry_run=True)) as http:
        port = http._base_url.port if http._base_url else None
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(WITHIN_S):
            with suppress(ConnectionResetError):  # an end as well
                assert await reader.read() == b""
        async with http.get("/healthz") as answer:
            assert answer.status == 200
        writer.close()


async def test_a_connection_that_rests_for_too_long_is_ended_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Patience] = []

    def make() -> Patience:
        made.append(Patience(rest_within_s=75.0))
        return made[0]

    monkeypatch.setattr(service, "Patience", make)
    async with running_scaler(replace(write_documents(tmp_path), dry_run=True)) as http:
        async with http.get("/healthz") as answer:
            assert answer.status == 200
        (patience,) = made
        async with asyncio.timeout(WITHIN_S):
            while not patience._resting._since_s:
                assert patience.look(1e9) == 0  # seen resting for the first time
                await asyncio.sleep(0.01)
        assert patience.look(1e9 + 74.0) == 0
        assert patience.look(1e9 + 76.0) == 1
