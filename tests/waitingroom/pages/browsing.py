"""A real browser before a real room: devices, lines with a crowd in them, and what axe-core says of a page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from redis.asyncio import Redis

from tests.tools import need
from tests.waitingroom.living import Living
from waitingroom.snapshot import Snapshot

PATIENCE_MS = 60_000
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 900}
SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "120s"}
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "120s"}
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio"),
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Have Debian's Chromium running."""
    binary = need("chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=binary, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def device(browser: Browser, **options: Any) -> BrowserContext:
    """Return a device of its own: cookies, storage, a phone's width and English unless `options` say otherwise."""
    chosen: dict[str, Any] = {
        "viewport": PHONE,
        "locale": "en-GB",
        "timezone_id": "Europe/Brussels",
    } | options
    context = await browser.new_context(**chosen)
    context.set_default_timeout(PATIENCE_MS)
    return context


async def open_page(browser: Browser, address: str, **options: Any) -> Page:
    """Open an address on a device of its own."""
    context = await device(browser, **options)
    page = await context.new_page()
    await page.goto(address)
    return page


async def shows(page: Page, element: str, text: str) -> None:
    """Wait until an element's text is this."""
    await expect(page.locator(f"#{element}")).to_have_text(text, timeout=PATIENCE_MS)


async def state_is(page: Page, state: str) -> None:
    """Wait until the page shows a state."""
    await expect(page.locator("body")).to_have_attribute("data-state", state, timeout=PATIENCE_MS)


async def violations(page: Page) -> list[str]:
    """Return what axe-core objects to, each with the element."""
    results = await Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in results.response["violations"]
        for node in found["nodes"]
    ]


async def until(condition: Callable[[], object], within_s: float = 30) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def until_true(ask: Callable[[], Awaitable[object]], within_s: float = 30) -> None:
    """Wait until a question is answered with yes."""
    async with asyncio.timeout(within_s):
        while not await ask():
            await asyncio.sleep(0.02)


def snapshot(here: Living, name: str = "cactus") -> Snapshot:
    """Return the room's copy of the counters."""
    found = here.rooms[name].snapshot
    assert found is not None
    return found


async def crowd(client: Redis, here: Living, people: int) -> None:
    """Put people into the line, all at once, who will never come back."""
    epoch = snapshot(here).epoch
    await client.hincrby("{cactus}:room", f"tail:{epoch}", people)
    await until(lambda: snapshot(here).tail >= people)


async def let_in(client: Redis, here: Living, released: int) -> None:
    """Move the line on as if so many had been released."""
    epoch = snapshot(here).epoch
    await client.hset("{cactus}:room", f"released:{epoch}", released)
    await until(lambda: snapshot(here).released >= released)


async def operate(client: Redis, here: Living, **fields: str) -> None:
    """Set what operators set, as the store keeps it."""
    await client.hset("{cactus}:room", mapping=fields)
    moment = snapshot(here).at_s
    await until(lambda: snapshot(here).at_s > moment + 0.05)
