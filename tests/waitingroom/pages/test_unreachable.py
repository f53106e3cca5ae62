"""When the room cannot answer: a page that says so, keeps what the buyer has, and finds back to the line by itself."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from tests.ports import free_port, free_ports
from tests.stores import TcpValkey
from tests.waitingroom.living import HTML, Living, living
from tests.waitingroom.pages.browsing import (
    PATIENCE_MS,
    SHUT,
    cable,
    crowd,
    open_page,
    operate,
    shows,
    state_is,
    until,
)
from tests.waitingroom.samples import onsale
from tests.waitingroom.shopkeys import Shop, presale
from waitingroom.serve import serving
from waitingroom.settings import ListenAddress, QueueSettings
from waitingroom.store.connect import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TcpValkey]:
    server = TcpValkey(tmp_path / "store", free_ports(1)[0])
    server.start()
    yield server
    server.stop()


async def test_the_page_of_a_room_without_its_store_finds_back_to_the_line(
    tmp_path: Path, store: TcpValkey, browser: Browser
) -> None:
    async with (
        connect(f"redis://{store.address}/0") as client,
        cable(store.port) as (way, near),
        living(tmp_path, f"redis://127.0.0.1:{near}/0", onsale(admission=SHUT)) as here,
    ):
        await crowd(client, here, 5)
        way.cut()
        await until(lambda: here.rooms["cactus"].stale)
        page = await open_page(browser, f"{here.room}/cactus/?return=/cactus/seats")
        await state_is(page, "joining")
        # As a browser without scripts would join.
        await page.evaluate("document.getElementById('join').submit()")
        await shows(page, "headline", "Please wait a moment")
        await expect(page.get_by_role("link", name="Try again")).to_be_visible(timeout=PATIENCE_MS)
        way.whole = True
        await state_is(page, "waiting")
        await shows(page, "number", "6")
        assert page.url.endswith("/cactus/?return=%2Fcactus%2Fseats")


async def test_without_scripts_a_chosen_refresh_goes_on_over_the_failure(
    tmp_path: Path, store: TcpValkey
) -> None:
    async with (
        cable(store.port) as (way, near),
        living(tmp_path, f"redis://127.0.0.1:{near}/0", onsale(admission=SHUT)) as here,
        here.buyer() as buyer,
    ):
        async with buyer.get(f"{here.room}/cactus/?refresh=60", headers=HTML):
            pass
        way.cut()
        await until(lambda: here.rooms["cactus"].stale)
        async with buyer.post(f"{here.room}/cactus/join?return=/cactus/seats", headers=HTML) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (503, "text/html")
            assert int(answer.headers["Retry-After"]) >= 1
        assert "Your place, if you have one, is safe." in text
        address = "/cactus/?return=%2Fcactus%2Fseats"
        assert f'<noscript><meta http-equiv="refresh" content="60; url={address}"></noscript>' in text
        assert f'<a id="again" class="button" href="{address}">Try again</a>' in text


async def test_a_place_is_said_to_be_safe_by_a_process_that_has_never_seen_its_store(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        async with buyer.post(f"{here.room}/cactus/join") as joined:
            assert joined.status == 200
        port, nobody = free_port(), free_port()
        settings = QueueSettings(
            onsales=tmp_path / "onsales",
            store=f"redis://127.0.0.1:{nobody}/0",
            keys=tmp_path / "keys",
            listen=ListenAddress("127.0.0.1", port),
            room_url=f"http://127.0.0.1:{port}",
            secure_cookies=False,
        )
        async with serving(settings), buyer.get(f"http://127.0.0.1:{port}/cactus/", headers=HTML) as answer:
            text = await answer.text()
        assert answer.status == 503
        assert '<h1 id="headline">Please wait a moment</h1>' in text
        assert "Your place, if you have one, is safe." in text
        assert "retry.js" in text
        assert "not in line" not in text
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as answer:
            assert '<dd id="number">1</dd>' in await answer.text()


async def test_an_invitation_that_cannot_be_checked_yet_is_kept_for_another_try(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    """The token stands in the address alone, so it is that which is asked again."""
    shop = Shop()
    shop.write(tmp_path)
    async with living(tmp_path, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        here.rooms["cactus"].invitations = None
        token = shop.invite("member-7")
        async with buyer.get(f"{here.room}/cactus/?token={token}", headers=HTML) as answer:
            text = await answer.text()
            assert answer.status == 503
        assert f'href="/cactus/?token={token}">Try again</a>' in text
        assert "retry.js" not in text


@pytest.mark.parametrize(
    ("query", "state"),
    [
        pytest.param("ended=1", "ended", id="ended"),
        pytest.param("refused=expired", "uninvited", id="refused"),
    ],
)
async def test_another_language_leaves_what_the_page_says(
    tmp_path: Path, store_url: str, client: Redis, query: str, state: str
) -> None:
    """Who has left the shop is not put in line by reading that in Dutch."""
    shop = Shop()
    shop.write(tmp_path)
    sale = presale(admission=SHUT) if state == "uninvited" else onsale(admission=SHUT)
    async with living(tmp_path, store_url, sale) as here, here.buyer() as buyer:
        text = await page_of(buyer, here, query)
        assert f'data-state="{state}"' in text
        assert f'href="?{query}&amp;lang=nl"' in text
        assert f'data-state="{state}"' in await page_of(buyer, here, f"{query}&lang=nl")


async def page_of(buyer: aiohttp.ClientSession, here: Living, query: str) -> str:
    """Return the page's text."""
    async with buyer.get(f"{here.room}/cactus/?{query}", headers=HTML) as answer:
        return await answer.text()


async def test_a_sold_out_room_without_its_store_still_says_so_to_those_who_wait(
    tmp_path: Path, store: TcpValkey, browser: Browser
) -> None:
    async with (
        connect(f"redis://{store.address}/0") as client,
        cable(store.port) as (way, near),
        living(tmp_path, f"redis://127.0.0.1:{near}/0", onsale(admission=SHUT)) as here,
    ):
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/")
        await shows(page, "number", "6")
        await operate(client, here, soldout="1")
        await state_is(page, "soldout")
        await expect(page.locator("#actions")).to_be_hidden()
        way.cut()
        await until(lambda: here.rooms["cactus"].stale)
        await page.reload()
        await state_is(page, "soldout")
        await shows(page, "headline", "Sold out")
