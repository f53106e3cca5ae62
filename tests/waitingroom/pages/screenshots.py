"""Writes the pictures of docs/img/: the page on a phone in each state, before a real room. `make screenshots` runs it."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page
from redis.asyncio import Redis

from rulebook import Onsale
from tests.stores import Valkey
from tests.waitingroom.living import Living, living
from tests.waitingroom.pages.browsing import (
    chromium,
    crowd,
    let_in,
    open_page,
    operate,
    snapshot,
    state_is,
    until,
)
from tests.waitingroom.samples import onsale
from waitingroom.store.connect import connect

IMAGES = Path(__file__).parents[3] / "docs" / "img"
TITLE = {"en": "Cactusfestival 2027"}
STEADY = {"rate": "5/s", "burst": 5, "claimWithin": "2m"}
Act = Callable[[Redis, Living], Awaitable[object]]


async def shoot(page: Page, name: str) -> None:
    """Take a picture of what a phone shows first."""
    path = IMAGES / f"page-{name}.png"
    await page.wait_for_timeout(700)
    await page.screenshot(path=path, animations="disabled")
    print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB")  # noqa: T201 - a command


async def picture(
    browser: Browser,
    url: str,
    name: str,
    sale: Onsale,
    state: str,
    *,
    people: int,
    then: Act | None = None,
    locale: str = "en-GB",
    scheme: str = "light",
) -> None:
    """Bring a buyer to a state, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        client = connect(url)
        await client.flushall()
        async with living(Path(folder), url, sale) as here:
            await crowd(client, here, people)
            page = await open_page(
                browser,
                f"{here.room}/cactus/",
                viewport={"width": 360, "height": 720},
                locale=locale,
                color_scheme=scheme,
            )
            await until(lambda: snapshot(here).arrivals_per_s > 3)
            await until(lambda: snapshot(here).arrivals_per_s < 1, within_s=300)
            if then is not None:
                await page.locator("#number").wait_for()
                await then(client, here)
            if state == "waiting":
                # As if the buyer had come when half as many again were ahead.
                place = f"{snapshot(here).epoch}.{people + 1}"
                start = {
                    "name": "tidegate_start",
                    "value": f"{place}.{people * 3 // 2}",
                    "url": f"{here.room}/cactus",
                }
                await page.context.add_cookies([start])
                await page.reload()
            await state_is(page, state)
            await shoot(page, name)
            await page.context.close()
        await client.aclose()


async def pause(client: Redis, here: Living) -> None:
    """Hold the line with a reason."""
    await operate(client, here, hold="The payment provider is down. We expect it back at half past ten.")


async def turn(client: Redis, here: Living) -> None:
    """Let everybody in."""
    await let_in(client, here, snapshot(here).tail)


async def sell_out(client: Redis, here: Living) -> None:
    """Sell out."""
    await operate(client, here, soldout="1")


async def advance(client: Redis, here: Living) -> None:
    """Show a message, once the line moves steadily."""
    await until(lambda: snapshot(here).released_per_s > 4.5, within_s=300)
    await operate(client, here, message="Day tickets for Saturday are sold out.")
    await until(lambda: here.rooms["cactus"].eta.knots)


async def main() -> None:
    """Take all pictures."""
    waiting = onsale(admission=STEADY, title=TITLE)
    prequeue = onsale(opens_in_s=1500, order="draw", admission=STEADY, title=TITLE)
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder))
        server.start()
        try:
            async with chromium() as browser:
                url = server.url
                await picture(browser, url, "prequeue", prequeue, "prequeue", people=4710)
                await picture(browser, url, "waiting", waiting, "waiting", people=3200, then=advance)
                await picture(
                    browser,
                    url,
                    "dark-nl",
                    waiting,
                    "waiting",
                    people=4710,
                    then=advance,
                    locale="nl",
                    scheme="dark",
                )
                await picture(
                    browser, url, "arabic", waiting, "waiting", people=4710, then=advance, locale="ar"
                )
                await picture(browser, url, "held", waiting, "held", people=4710, then=pause)
                await picture(browser, url, "turn", waiting, "released", people=40, then=turn)
                await picture(browser, url, "soldout", waiting, "soldout", people=4710, then=sell_out)
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
