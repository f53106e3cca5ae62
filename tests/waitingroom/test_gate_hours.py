"""When the gate guards: from the pre-queue to the closing, as the document says and as operators have changed it since."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import onsale
from waitingroom.gate.hours import Hours, hours_of


def at(**offset: float) -> str:
    return (datetime.now(UTC) + timedelta(**offset)).isoformat()


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


LATER: dict[str, Any] = {"prequeue": at(hours=1), "opens": at(hours=2), "closes": at(hours=3)}


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
        pytest.param(
            {"opens": at(hours=2)}, 200, "open", {"at": "now"}, 429, id="opened without a pre-queue"
        ),
        pytest.param({"opens": at(hours=-1)}, 429, "close", {"at": "now"}, 200, id="closed early"),
        pytest.param({}, 429, "close", {"at": "now"}, 200, id="a standing room closed"),
        pytest.param({}, 429, "soldout", {"soldout": True}, 200, id="sold out"),
        pytest.param(LATER | {"outside": "deny"}, 429, "close", {"at": "now"}, 429, id="closed but denied"),
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
    steps: list[tuple[str, dict[str, Any], int]] = [
        ("soldout", {"soldout": True}, 200),
        ("soldout", {"soldout": False}, 429),
        ("close", {"at": "now"}, 200),
        ("open", {"at": "now"}, 429),
        ("close", {"at": "now"}, 200),
        ("close", {"at": "document"}, 429),
    ]
    sale = onsale(protect=[{"path": "/cactus"}])
    async with living(tmp_path, store_url, sale, admin_tokens=token_file(tmp_path)) as here:
        for action, body, wanted in steps:
            await Office(here).act(action, **body)
            await until(here, "/cactus/seats", wanted)
