"""A real browser before a real room: devices, lines with a crowd in them, and what axe-core says of a page."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from redis.asyncio import Redis
from yarl import URL

from tests.relays import listening, relay_to
from tests.tools import need
from tests.waitingroom.living import Living
from waitingroom.snapshot import Snapshot

PATIENCE_MS = 60_000
# Also where a test names none: the five seconds that it is else, a busy machine takes.
expect.set_options(timeout=PATIENCE_MS)
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 900}
SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "120s"}
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "120s"}
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Puts another tab before this one, or takes it away."""
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio"),
)


@asynccontextmanager
async def chromium(*, keeping_pages: bool = False) -> AsyncIterator[Browser]:
    """Have Debian's Chromium running, as buyers' browsers may be: `keeping_pages` as they were, for the way back."""
    binary = need("chromium")
    async with async_playwright() as driver:
        without = ["--disable-back-forward-cache"] if keeping_pages else []
        browser = await driver.chromium.launch(
            executable_path=binary, args=list(_FLAGS), ignore_default_args=without
        )
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


async def stand_still(page: Page) -> None:
    """Have the time of what a page shows next pass by `page.clock` alone, however long this machine takes for anything."""
    begins_s = time.time()
    await page.clock.install(time=begins_s)
    await page.clock.pause_at(begins_s + 1)


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


async def look_unscripted(page: Page) -> None:
    """Have a page whose script was kept away look as in a browser that runs none."""
    await page.evaluate(
        """() => { for (const sheet of document.styleSheets) {
            const rules = [...sheet.cssRules];
            for (let at = rules.length - 1; at >= 0; at -= 1)
                if (rules[at].conditionText?.includes("scripting")) sheet.deleteRule(at);
        } }"""
    )


class Lens:
    """Shows axe-core, a script itself, copies of the pages of devices that run none."""

    def __init__(self, copy: Page) -> None:
        self._copy = copy
        self._of: Page | None = None

    async def violations(self, page: Page) -> list[str]:
        """Return what axe-core objects to on a page without scripts, at the size which it has now."""
        if page is not self._of:
            body = await page.content()
            await self._copy.unroute_all()
            for script in ("room", "retry"):
                await self._copy.route(f"**/{script}.js", lambda route: route.abort())
            await self._copy.route(page.url, lambda route: route.fulfill(body=body, content_type="text/html"))
            await self._copy.goto(page.url)
            await look_unscripted(self._copy)
            self._of = page
        assert page.viewport_size
        await self._copy.set_viewport_size(page.viewport_size)
        return await violations(self._copy)


async def until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def until_true(ask: Callable[[], Awaitable[object]], within_s: float = 60) -> None:
    """Wait until a question is answered with yes."""
    async with asyncio.timeout(within_s):
        while not await ask():
            await asyncio.sleep(0.02)


def snapshot(here: Living, name: str = "cactus") -> Snapshot:
    """Return the room's copy of the counters."""
    found = here.rooms[name].snapshot
    assert found is not None
    return found


async def crowd(client: Redis, here: Living, people: int, name: str = "cactus") -> None:
    """Put people into the line, all at once, who will never come back."""
    epoch = snapshot(here, name).epoch
    await client.hincrby(f"{{{name}}}:room", f"tail:{epoch}", people)
    await until(lambda: snapshot(here, name).tail >= people)


async def let_in(client: Redis, here: Living, released: int, name: str = "cactus") -> None:
    """Move the line on as if so many had been released."""
    epoch = snapshot(here, name).epoch
    await client.hset(f"{{{name}}}:room", f"released:{epoch}", released)
    await until(lambda: snapshot(here, name).released >= released)


async def operate(client: Redis, here: Living, name: str = "cactus", **fields: str) -> None:
    """Set what operators set, as the store keeps it."""
    await client.hset(f"{{{name}}}:room", mapping=fields)
    # By the store's clock, which dates the copies: one that was under way may have been taken before.
    seconds, microseconds = await client.time()
    await until(lambda: snapshot(here, name).at_s > seconds + microseconds / 1e6)


class Cable:
    """A way that can be cut, and mended at the same address: to a room, or from a room to its store."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.whole = True
        self._open: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand a connection on, unless the cable is cut."""
        if not self.whole:
            writer.transport.abort()
            return
        task = asyncio.create_task(relay_to(lambda: self._to)(reader, writer))  # type: ignore[arg-type]
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        await asyncio.wait([task])

    def cut(self) -> None:
        """End all connections, and take no new ones."""
        self.whole = False
        for task in self._open:
            task.cancel()


@asynccontextmanager
async def cable(port: int) -> AsyncIterator[tuple[Cable, int]]:
    """Have a cable to a port; yields it with the port at its near end."""
    way = Cable(port)
    async with listening(way.carry) as near:
        yield way, near


def port_of(here: Living) -> int:
    """Return the port of a room."""
    return int(URL(here.room).port or 0)
