"""The shop's replica: limited, measured, logged, and stopped without losing a checkout."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port

from tidegate.demo.limits import CHECKOUT_S, LINE_LIMIT
from tidegate.demo.records import ServedEntry, Step, read_records
from tidegate.demo.shop import Shop, ShopOptions, process_age_s

Client = TestClient[aiohttp.web.Request, aiohttp.web.Application]
OpenShop = Callable[..., Awaitable[Client]]
BUYER = {"X-Tidegate-Session": "session-1", "X-Demo-Buyer": "17"}


@pytest.fixture
async def open_shop(tmp_path: Path) -> AsyncIterator[OpenShop]:
    """Open a shop in this process; its log is `served.jsonl`."""
    clients: list[Client] = []
    log = (tmp_path / "served.jsonl").open("w", buffering=1)

    async def open_one(*, slots: int = 5, startup_s: float = 0.0, slowdown: float = 1.0) -> Client:
        shop = Shop(ShopOptions(port=0, slots=slots, startup_s=startup_s, slowdown=slowdown), log)
        client = TestClient(TestServer(shop.app()))
        await client.start_server()
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        await client.close()
    log.close()


async def test_a_replica_is_not_ready_while_it_starts(open_shop: OpenShop) -> None:
    client = await open_shop(startup_s=process_age_s() + 60.0)
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/healthz")).status == 200


async def test_a_replica_that_has_started_is_ready(open_shop: OpenShop) -> None:
    client = await open_shop()
    assert (await client.get("/readyz")).status == 200


async def test_a_checkout_takes_as_long_as_the_payment(open_shop: OpenShop) -> None:
    client = await open_shop()
    begun = time.monotonic()
    assert (await client.post("/checkout")).status == 200
    assert time.monotonic() - begun >= CHECKOUT_S[0]


async def test_loading_the_program_is_part_of_starting_up(open_shop: OpenShop) -> None:
    client = await open_shop(startup_s=0.5 * process_age_s())
    assert (await client.get("/readyz")).status == 200


async def test_a_slow_shop_takes_its_time(open_shop: OpenShop) -> None:
    client = await open_shop(slowdown=2.0)
    begun = time.monotonic()
    assert (await client.post("/checkout")).status == 200
    assert time.monotonic() - begun >= 2.0 * CHECKOUT_S[0]


async def test_beyond_its_slots_a_replica_lets_checkouts_wait(open_shop: OpenShop) -> None:
    client = await open_shop(slots=1)
    begun = time.monotonic()
    answers = await asyncio.gather(*(client.post("/checkout") for _ in range(2)))
    assert [answer.status for answer in answers] == [200, 200]
    assert time.monotonic() - begun >= 2 * CHECKOUT_S[0]


async def test_beyond_its_line_a_replica_turns_buyers_away(open_shop: OpenShop) -> None:
    client = await open_shop(slots=1, slowdown=20.0)  # nobody comes to the end meanwhile
    inside = [asyncio.create_task(client.post("/checkout")) for _ in range(1 + LINE_LIMIT)]
    await until_metric(client, f"shop_checkouts_in_progress {1 + LINE_LIMIT}.0")
    answer = await client.post("/checkout")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    for task in inside:
        task.cancel()
    await asyncio.gather(*inside, return_exceptions=True)


async def test_the_metrics_name_requests_by_path_and_code(open_shop: OpenShop) -> None:
    client = await open_shop()
    await client.get("/")
    await client.post("/checkout")
    page = await (await client.get("/metrics")).text()
    assert 'shop_requests_total{code="200",path="/"} 1.0' in page
    assert 'shop_requests_total{code="200",path="/checkout"} 1.0' in page
    assert "shop_checkout_seconds_count 1.0" in page
    assert "shop_checkouts_in_progress 0.0" in page


async def test_every_request_is_logged_with_its_session(open_shop: OpenShop, tmp_path: Path) -> None:
    client = await open_shop()
    await client.get("/", headers=BUYER)
    await client.get("/seats", headers=BUYER)
    entries = read_records(ServedEntry, tmp_path / "served.jsonl")
    assert [(entry.step, entry.kind, entry.status) for entry in entries] == [
        (Step.LANDING, "begin", None),
        (Step.LANDING, "done", 200),
        (Step.SEATS, "begin", None),
        (Step.SEATS, "done", 200),
    ]
    assert {(entry.session, entry.buyer) for entry in entries} == {("session-1", 17)}


async def test_a_stopped_replica_finishes_its_checkouts_and_exits_with_0(tmp_path: Path) -> None:
    port = unused_port()
    process = await start_replica(port, tmp_path)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            await until_up(client, process)
            checkout = asyncio.create_task(read_status(client))
            log = tmp_path / f"shop-{port}-{process.pid}.jsonl"
            await until(lambda: log.exists() and '"checkout"' in log.read_text())
            process.send_signal(signal.SIGTERM)
            assert await checkout == 200
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    kinds = [(entry.step, entry.kind) for entry in read_records(ServedEntry, log)]
    assert kinds == [(Step.CHECKOUT, "begin"), (Step.CHECKOUT, "done")]


async def test_a_busy_port_is_told_in_one_line(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start_replica(port, tmp_path)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    server.close()
    await server.wait_closed()
    assert process.returncode == 1
    assert errors.decode().startswith("shop: ")
    assert errors.decode().count("\n") == 1


async def start_replica(port: int, log: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate.demo.shop", "--port", str(port), "--startup", "0", "--log", str(log),
        stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONWARNINGS": "default"},
    )  # fmt: skip


async def read_status(client: aiohttp.ClientSession) -> int:
    async with client.post("/checkout", headers=BUYER) as answer:
        await answer.read()
        return answer.status


async def until_up(client: aiohttp.ClientSession, process: Process) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.returncode is None
        try:
            async with client.get("/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError("the replica never became ready")


async def until_metric(client: Client, line: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if line in await (await client.get("/metrics")).text():
            return
    raise AssertionError(f"never saw {line}")


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
