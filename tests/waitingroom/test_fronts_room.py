"""nginx before the room, with the configuration of the how-to: what is routed, what is not, and whose address the room sees."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.waitingroom.fronts import SHOP, Front, Fronted, fronted_by, started
from tests.waitingroom.living import HTML
from tests.waitingroom.samples import onsale

QUEUE = {"Host": "queue.example.org"}
CACTUS = onsale(
    shop=f"https://{SHOP}/cactus",
    protect=[{"host": SHOP, "path": "/cactus"}],
    admission={"rate": "200/s", "burst": 50, "claimWithin": "30s"},
)


@pytest.fixture(scope="module")
def nginx() -> Iterator[Front]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, started("nginx", Path(folder)) as up:
        yield up


@pytest.fixture
async def fronted(nginx: Front, tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Fronted]:
    async with fronted_by(nginx, tmp_path, store_url, CACTUS, join_burst=1, join_rate_per_s=0.01) as up:
        yield up


async def test_buyers_reach_the_page_and_what_belongs_to_it(fronted: Fronted) -> None:
    browser = fronted.browser()
    answer, _ = await browser.ask("/cactus?lang=nl", {**QUEUE, **HTML})
    assert (answer.status, answer.headers["Location"]) == (308, "/cactus/?lang=nl")
    assert (await browser.ask("/cactus/state", QUEUE))[0].status == 200
    keys, _ = await browser.ask("/.well-known/jwks.json", QUEUE)
    assert (keys.status, keys.content_type) == (200, "application/json")
    answer, text = await browser.ask("/cactus/?ended=1", {**QUEUE, **HTML})
    assert answer.status == 200
    asset = text.partition('"/static/')[2].partition('"')[0]
    assert (await browser.ask(f"/static/{asset}", QUEUE))[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metrics", "/admin/v1/onsales", "/gate/auth", "/gate/forward", "/sessions/x/complete"),
        *("/healthz", "/openapi.json", "/cactusx", "/static/../metrics", "/cactus/..%2fmetrics"),
    ],
)
async def test_nothing_else_of_the_room_is_reached(fronted: Fronted, path: str) -> None:
    assert (await fronted.browser().ask(path, QUEUE))[0].status == 404


async def test_the_room_counts_a_buyers_own_address(fronted: Fronted) -> None:
    forged = [{**QUEUE, "X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2)]
    told = [(await fronted.browser().ask("/cactus/join", each, method="POST"))[0].status for each in forged]
    assert told == [200, 429]


async def test_what_cannot_be_judged_is_refused_and_not_sent_to_the_line(fronted: Fronted) -> None:
    browser = await fronted.admitted()
    assert (await browser.ask("/cactus/seats", HTML))[0].status == 200
    answer, _ = await browser.ask("/x/%252525252e/cactus", HTML)
    assert answer.status == 403
    assert "Location" not in answer.headers
