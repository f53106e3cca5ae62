"""One client takes many places: by joining, by walking in, by a whole /64 of addresses; and holds many streams open.

And many clients take places for somebody who has none of them: the visitors of a page elsewhere.
"""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, JSON, living
from tests.waitingroom.samples import device, onsale
from waitingroom.gate.trust import TrustedProxies
from waitingroom.web.limits import Clients

WALK_IN = {"rate": "200/s", "burst": 200}
LIMITED = {"join_rate_per_s": 0.01, "join_burst": 3}


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [("GET", "", HTML), ("GET", "", JSON), ("GET", "enter", JSON), ("POST", "enter", JSON), ("POST", "join", JSON)],
    ids=["the page", "the page as an app", "enter by link", "enter", "join"],
)  # fmt: skip
async def test_one_client_takes_so_many_places_and_no_more(
    tmp_path: Path, store_url: str, client: Redis, method: str, path: str, accept: dict[str, str]
) -> None:
    async with living(tmp_path, store_url, onsale(admission=WALK_IN), **LIMITED) as here:
        statuses = []
        for number in range(8):
            headers = {
                **accept,
                "X-Forwarded-For": "198.51.100.7",
                "Cookie": f"tidegate_device={device(number)}",
            }
            async with (
                aiohttp.ClientSession() as session,
                session.request(
                    method, f"{here.room}/cactus/{path}", headers=headers, allow_redirects=False
                ) as answer,
            ):
                statuses.append(answer.status)
        assert 429 not in statuses[:3]
        assert statuses[3:] == [429] * 5
        epoch = here.rooms["cactus"].snapshot
        assert epoch is not None
        assert await client.hget("{cactus}:room", f"tail:{epoch.epoch}") == "3"


@pytest.mark.parametrize("query", ["", "?by=the-application"], ids=["quickly", "by the application"])
async def test_a_page_elsewhere_takes_no_places_by_its_visitors(
    tmp_path: Path, store_url: str, client: Redis, query: str
) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    address = f"/cactus/join{query}"
    async with (
        living(tmp_path, store_url, onsale(), **LIMITED) as here,
        aiohttp.ClientSession(headers={"X-Forwarded-For": "198.51.100.7"}) as visitor,
    ):
        for headers in (
            {"Accept": "*/*"},
            {**JSON, "Origin": "https://evil.example"},
            {**JSON, "Origin": "null"},
            {**JSON, "Origin": "https://shop.example.org.evil.example"},
        ):
            async with visitor.post(here.room + address, headers={**headers, **elsewhere}) as refused:
                assert (refused.status, (await refused.json())["reason"]) == (403, "site")
                assert "Set-Cookie" not in refused.headers
        async with visitor.post(
            here.room + address, headers={**HTML, **elsewhere}, allow_redirects=False
        ) as form:
            assert (form.status, form.headers["Location"]) == (303, "/cactus/")
        # None of that was the visitor's own join: all three are still free.
        statuses = []
        for headers in (
            {**elsewhere, "Origin": "https://shop.example.org"},
            {"Sec-Fetch-Site": "same-origin", "Origin": here.room},
            {},
            {},
        ):
            async with visitor.post(here.room + address, headers={**JSON, **headers}) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 200, 429]


async def test_a_whole_64_of_addresses_is_one_client(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(), **LIMITED) as here:
        statuses = []
        for number in range(6):
            headers = {**JSON, "X-Forwarded-For": f"2001:db8:1:2:{number:x}::{number:x}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(f"{here.room}/cactus/join") as answer,
            ):
                statuses.append(answer.status)
        assert statuses == [200] * 3 + [429] * 3


async def test_a_stranger_does_not_become_others_by_a_header(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), trusted_proxies=("10.0.0.0/8",), **LIMITED) as here:
        statuses = []
        for number in range(6):
            headers = {
                **JSON,
                "X-Forwarded-For": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
            }
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(f"{here.room}/cactus/join") as answer,
            ):
                statuses.append(answer.status)
        assert statuses == [200] * 3 + [429] * 3


@pytest.mark.parametrize("path", ["/cactus/events", "/gate/revocations"])
async def test_one_client_holds_so_many_streams_open_and_others_are_served(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("waitingroom.web.events.MOST_STREAMS", 3)
    monkeypatch.setattr("waitingroom.web.admin_feed.MOST_STREAMS", 3)
    monkeypatch.setattr("waitingroom.web.admin_feed.PING_EVERY_S", 0.1)
    monkeypatch.setattr("waitingroom.frames.HEARTBEAT_EVERY_S", 0.1)
    mine, others = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "198.51.100.8"}
    async with living(tmp_path, store_url, onsale()) as here, aiohttp.ClientSession() as session:
        streams = [await session.get(here.room + path, headers=mine) for _ in range(5)]
        assert [stream.status for stream in streams] == [200, 200, 200, 429, 429]
        assert int(streams[3].headers["Retry-After"]) > 0
        for headers in (others, {}):  # a trusted proxy which names nobody may stand for all
            async with session.get(here.room + path, headers=headers) as another:
                assert another.status == 200
        for stream in streams:
            stream.close()
        async with aiohttp.ClientSession() as later, asyncio.timeout(30):
            status = 429
            while status == 429:  # until it is noticed that they have gone
                async with later.get(here.room + path, headers=mine) as again:
                    status = again.status
            assert status == 200


def test_a_proxys_clients_are_told_apart_to_the_last_trusted_one() -> None:
    clients = Clients(TrustedProxies(["10.0.0.0/8"]))
    forged = CIMultiDict([("X-Forwarded-For", ",".join(["6.6.6.6"] * 5000 + ["198.51.100.1", "10.0.0.3"]))])
    assert clients.client("10.0.0.1", forged) == "198.51.100.1"
