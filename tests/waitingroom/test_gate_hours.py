"""When the gate guards: from the pre-queue, also one that operators brought forward, to the closing of the document."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import onsale, quiet_snapshot
from waitingroom.gate.hours import Hours, hours_of


def at(**offset: float) -> str:
    return (datetime.now(UTC) + timedelta(**offset)).isoformat()


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# Further off than any run of the tests takes: these stand from when they are collected.
LATER: dict[str, Any] = {"prequeue": at(days=1), "opens": at(days=2), "closes": at(days=3)}


def test_a_document_guards_from_the_prequeue_to_the_closing() -> None:
    hours = hours_of(onsale(**LATER))
    assert (hours.begins_at_s, hours.closes_at_s) == (seconds(LATER["prequeue"]), seconds(LATER["closes"]))
    assert hours.are_over(hours.begins_at_s - 1)
    assert not hours.are_over(hours.begins_at_s)
    assert not hours.are_over(hours.closes_at_s - 1)
    assert hours.are_over(hours.closes_at_s)


def test_without_a_prequeue_the_opening_counts_and_without_any_time_it_guards_always() -> None:
    opens = at(hours=1)
    assert hours_of(onsale(opens=opens)) == Hours(begins_at_s=seconds(opens))
    assert hours_of(onsale()) == Hours()


def test_who_denies_outside_guards_always() -> None:
    assert hours_of(onsale(**LATER, outside="deny")) == Hours()


async def until(here: Living, path: str, wanted: int) -> None:
    """Ask every kind of gate until all answer so; a 429 or 401 is a buyer who needs a pass."""

    async def asks(session: aiohttp.ClientSession) -> list[int]:
        told = {"X-Original-URL": f"https://shop.example.org{path}"}
        forwarded = {"X-Forwarded-Uri": path, "X-Forwarded-Host": "shop.example.org"}
        statuses = []
        for url, headers in (
            (here.gate + path, {}),
            (here.room + "/gate/auth", told),
            (here.room + "/gate/forward", forwarded),
        ):
            async with session.get(url, headers={**JSON, **headers}) as answer:
                statuses.append({401: 429}.get(answer.status, answer.status))
        return statuses

    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while await asks(session) != [wanted] * 3:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("times", "before", "action", "body", "after"),
    [
        pytest.param(LATER, 200, "open", {"at": "now"}, 429, id="opened early"),
        pytest.param({"opens": at(days=2)}, 200, "open", {"at": "now"}, 429, id="opened without a pre-queue"),
    ],
)
async def test_the_gates_follow_what_operators_do(
    tmp_path: Path,
    store_url: str,
    client: Redis,
    times: dict[str, Any],
    before: int,
    action: str,
    body: dict[str, Any],
    after: int,
) -> None:
    sale = onsale(protect=[{"path": "/cactus"}], **times)
    async with living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here:
        await until(here, "/cactus/seats", before)
        await Office(here).act(action, **body)
        await until(here, "/cactus/seats", after)


async def test_what_an_operator_takes_back_is_as_documented_again(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(protect=[{"path": "/cactus"}], **LATER)
    async with living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here:
        for moment, wanted in (("now", 429), ("document", 200)):
            await Office(here).act("open", at=moment)
            await until(here, "/cactus/seats", wanted)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        pytest.param("close", {"at": "now"}, id="closed early"),
        pytest.param("soldout", {"soldout": True}, id="sold out"),
    ],
)
async def test_a_line_that_operators_end_is_not_let_into_the_shop(
    tmp_path: Path, store_url: str, client: Redis, action: str, body: dict[str, Any]
) -> None:
    sale = onsale(protect=[{"path": "/cactus"}], opens=at(hours=-1), closes=at(hours=1))
    async with living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        await until(here, "/cactus/seats", 429)
        await office.act(action, **body)
        async with asyncio.timeout(20):
            while (await office.get("/admin/v1/onsales/cactus"))[1]["phase"] != "closed":
                await asyncio.sleep(0.02)
        await until(here, "/cactus/seats", 429)


def test_an_operators_closing_leaves_the_end_to_the_document() -> None:
    closed = quiet_snapshot(closes_at_s=1.0, operated=(("ops_closes_us", "1000000"),))
    assert hours_of(onsale(**LATER), closed).closes_at_s == seconds(LATER["closes"])
    assert hours_of(onsale(), closed) == Hours()
