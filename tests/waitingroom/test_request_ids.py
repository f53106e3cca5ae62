"""One id for a request, all the way: from the proxy before the gate to the shop, the answer and the log."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from tests.waitingroom.gates import OPEN, cookies, exchange, proxied, raw_shop, shop_of, tell
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale

GIVEN = "X-Request-Id"
MADE = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as lines:
        yield lines


async def test_a_trusted_proxys_id_reaches_the_shop_and_the_answer() -> None:
    async with (
        proxied(shop_of(tell), onsales=OPEN, trusted=["127.0.0.1"]) as gate,
        aiohttp.ClientSession() as proxy,
        proxy.get(f"{gate}/x", headers={GIVEN: "trace-1"}) as answer,
    ):
        assert CIMultiDict((await answer.json())["headers"])[GIVEN] == "trace-1"
        assert answer.headers.getall(GIVEN) == ["trace-1"]


async def test_a_buyers_own_id_is_replaced_by_one_that_shop_and_answer_share() -> None:
    async with proxied(shop_of(tell), onsales=OPEN) as gate, aiohttp.ClientSession() as buyer:
        ids = set()
        for _ in range(2):
            async with buyer.get(f"{gate}/x", headers={GIVEN: "mine"}) as answer:
                at_shop = CIMultiDict((await answer.json())["headers"])[GIVEN]
                assert answer.headers.getall(GIVEN) == [at_shop]
                assert MADE.fullmatch(at_shop)
                ids.add(at_shop)
    assert len(ids) == 2


async def test_an_exchange_that_fails_is_logged_by_id_and_onsale(
    logged: list[MutableMapping[str, Any]],
) -> None:
    server, broken = await raw_shop(b"nonsense\r\n\r\n")
    headers = {GIVEN: "trace-2", "Cookie": cookies()}
    async with server, aiohttp.ClientSession() as proxy:
        for url in (broken, "http://127.0.0.1:1"):
            async with (
                proxied(shop_of(tell), trusted=["127.0.0.1"], urls=[url]) as gate,
                proxy.get(f"{gate}/x", headers=headers) as answer,
            ):
                assert answer.status == 502
                assert answer.headers[GIVEN] == "trace-2"
    told = [(line["event"], line["request_id"], line["onsale"]) for line in logged]
    assert told == [
        ("upstream_failed", "trace-2", "cactus"),
        ("upstream_unreachable", "trace-2", "cactus"),
    ]


async def test_an_answer_that_breaks_off_is_logged_by_the_id_the_shop_was_given(
    logged: list[MutableMapping[str, Any]],
) -> None:
    server, url = await raw_shop(
        b"HTTP/1.1 200 OK\r\nX-Request-Id: the shop's\r\nContent-Length: 9\r\n\r\nhalf"
    )
    async with server, proxied(shop_of(tell), onsales=OPEN, urls=[url]) as gate:
        got = await exchange(gate, b"GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n")
    (line,) = logged
    assert line["event"] == "upstream_broke_off"
    assert MADE.fullmatch(line["request_id"])
    assert f"{GIVEN}: {line['request_id']}\r\n".encode() in got
    assert b"the shop's" not in got
    assert "onsale" not in line


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\n", b"429", id="to the line"),
        pytest.param(b"TRACE /x HTTP/1.1\r\nHost: a\r\n", b"405", id="not for buyers"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a b\r\n", b"400", id="malformed"),
        pytest.param(
            b"GET /x HTTP/1.1\r\nHost: a\r\nExpect: a wonder\r\n", b"417", id="refused before the gate"
        ),
    ],
)
async def test_the_gates_own_answers_carry_an_id(head: bytes, status: bytes) -> None:
    async with proxied(shop_of(tell)) as gate:
        got = await exchange(gate, head + b"Connection: close\r\n\r\n")
    assert got.split(b" ")[1] == status
    assert len(re.findall(rb"X-Request-Id: [0-9a-f]{12}-[0-9a-f]+\r\n", got)) == 1


async def test_a_question_the_gate_refuses_is_logged_by_its_answers_id(
    tmp_path: Path, store_url: str, logged: list[MutableMapping[str, Any]]
) -> None:
    unreadable = {"X-Original-URL": "no address"}
    async with living(tmp_path, store_url, onsale()) as here, aiohttp.ClientSession() as proxy:
        answered = []
        # The first goes by the quick lane, the others by the application.
        for path, headers in (
            ("/gate/auth", unreadable),
            ("/gate/auth?host=a", {"X-Original-Host": "no host", GIVEN: "trace-3"}),
            ("/gate/forward", {}),
        ):
            async with proxy.get(here.room + path, headers=headers) as answer:
                assert answer.status in (401, 403)
                answered.append(answer.headers[GIVEN])
    assert answered[1] == "trace-3"
    assert [line["request_id"] for line in logged if line["event"] == "gate_refused"] == answered
