"""The console's pictures in docs/img, taken in mid-sale of a demo. `make screenshots` takes them.

`python -m tests.system.console_screenshots FOLDER` takes all pages into a folder, on a desk and on a phone, in light and in dark:
those are to be looked at.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page

from rulebook.admintokens import Role
from tests.waitingroom.pages.browsing import chromium
from tidegate.demo.documents import load_demo_documents
from tidegate.demo.examples import find_examples
from tidegate.demo.options import DemoOptions
from tidegate.demo.performance import Performance
from tidegate.demo.stack import Stack, running_stack
from tidegate.demo.table import Snapshot

BUYERS = 2600
IN_MID_SALE = 200
"""How many have been served when the pictures are taken."""
DESK, PHONE = 1280, 390
HEIGHT = {DESK: 860, PHONE: 844}
PAGES = {
    "services": "",
    "service": "services/demo-shop",
    "onsales": "onsales",
    "onsale": "onsales/cactusfestival",
    "log": "services/demo-shop/log",
    "audit": "audit",
    "sign-in": "sign-in",
    "confirm": "services/demo-shop",
    "error": "services/nothing",
}
IN_DOCS = {
    "services": HEIGHT[DESK],
    "service": 1500,
    "onsale": 900,
    "log": 640,
    "audit": 860,
    "sign-in": 520,
    "confirm": 520,
}
"""Pages of which there are pictures in docs/img, and how high those are."""


@dataclass
class Stage:
    """Hears how the sale goes; the pictures are taken in its middle."""

    served: int = 0

    def show(self, snapshot: Snapshot) -> None:
        """Take note."""
        self.served = snapshot.served

    def say(self, text: str) -> None:
        """Nobody reads along."""


async def signed_in(browser: Browser, stack: Stack, width: int, scheme: str) -> Page:
    """Be at the console as an operator."""
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT[width]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    await page.goto(stack.endpoints.console)
    await page.get_by_label("Token").fill(stack.access.tokens[Role.OPERATOR])
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("#services").wait_for()
    return page


async def act(page: Page, stack: Stack) -> None:
    """Leave something in the audit log: what is done, what is refused, and somebody who is not let in."""
    assert page.context.browser is not None
    stranger = await page.context.browser.new_page()
    await stranger.goto(stack.endpoints.console)
    await stranger.get_by_label("Token").fill("a-guess")
    await stranger.get_by_role("button", name="Sign in").click()
    await stranger.get_by_role("alert").wait_for()
    await stranger.close()
    await page.goto(stack.endpoints.console + PAGES["onsale"])
    await page.get_by_label("Shown to all").fill("Have your code at hand")
    await page.get_by_role("button", name="Set the message").click()
    await page.locator(".notice-good").wait_for()
    await page.get_by_label("Ceiling").fill("100000/s")
    await page.get_by_role("button", name="Set the rate").click()
    await page.locator(".notice-bad").first.wait_for()
    await page.goto(stack.endpoints.console + PAGES["service"])
    for mode, button in (("Paused", "Pause"), ("Automatic", "Set to automatic")):
        await page.get_by_role("radio", name=mode).check()
        await page.get_by_label("Reason").fill(
            "Looking at the payments" if mode == "Paused" else "All is well"
        )
        await page.get_by_role("button", name="Set the mode").click()
        await page.get_by_role("button", name=button).click()
        await page.locator(".notice-good").wait_for()


async def shoot(page: Page, stack: Stack, name: str, path: Path, height: int | None) -> None:
    """Go to a page and take its picture: so much of it, or all."""
    if name == "sign-in":
        await page.context.clear_cookies()
    if name == "audit":
        await act(page, stack)
    await page.goto(stack.endpoints.console + PAGES[name])
    if name == "confirm":
        await page.get_by_role("button", name="Restart…").click()
    await page.wait_for_timeout(1500)
    if height is not None:
        await page.set_viewport_size({"width": DESK, "height": height})
    picture = await page.screenshot(path=path, animations="disabled", full_page=height is None)
    print(f"{path.name}: {len(picture) / 1000:.1f} kB")  # noqa: T201 - a command


async def look_at_all(stack: Stack, browser: Browser, folder: Path) -> None:
    """Take all pages, as each device shows them."""
    for width in (DESK, PHONE):
        for scheme in ("light", "dark"):
            page = await signed_in(browser, stack, width, scheme)
            for name in sorted(PAGES, key=lambda name: name == "sign-in"):
                await shoot(page, stack, name, folder / f"{name}-{width}-{scheme}.png", None)
            await page.context.close()


async def until(condition: Callable[[], bool], task: asyncio.Task[None]) -> None:
    """Wait, unless the sale ends before."""
    while not condition() and not task.done():
        await asyncio.sleep(0.1)


async def in_mid_sale(act: Callable[[Stack, Browser], Awaitable[None]]) -> None:
    """Play a sale, and do something in its middle."""
    documents = load_demo_documents(find_examples("demo"))
    with tempfile.TemporaryDirectory(prefix="tidegate-") as work:
        async with chromium() as browser, running_stack(documents, Path(work)) as stack:
            stage = Stage()
            performance = Performance(DemoOptions(buyers=BUYERS, seconds=60.0), stack, stage)
            sale = asyncio.create_task(performance.play())
            await until(lambda: stage.served >= IN_MID_SALE, sale)
            if sale.done():
                await sale
            await act(stack, browser)
            sale.cancel()
            await asyncio.gather(sale, return_exceptions=True)


async def take(names: Set[str], folder: Path) -> None:
    """Take the pictures of docs/img that are named, into `folder`."""

    async def act(stack: Stack, browser: Browser) -> None:
        for name, height in IN_DOCS.items():
            if name in names:
                page = await signed_in(browser, stack, DESK, "light")
                await shoot(page, stack, name, folder / f"console-{name}.png", height)
                await page.context.close()

    await in_mid_sale(act)


if __name__ == "__main__":
    into = Path(sys.argv[1])
    asyncio.run(in_mid_sale(lambda stack, browser: look_at_all(stack, browser, into)))
