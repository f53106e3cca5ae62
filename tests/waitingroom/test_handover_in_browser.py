"""The way from a shop to a room on another host and back in a real browser: its cookies, its redirects, its forms."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Request, async_playwright, expect
from redis.asyncio import Redis

from tests.ports import free_port
from tests.tools import need
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from waitingroom.settings import ListenAddress

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    binary = need("chromium")
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        try:
            yield running
        finally:
            await running.close()


@pytest.mark.slow
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_a_browser_goes_to_the_line_and_comes_back_with_cookies_of_the_shops_own_host(
    tmp_path: Path, store_url: str, client: Redis, script: bool
) -> None:
    port = free_port()
    shop = f"http://localhost:{port}/cactus"  # the room is at 127.0.0.1: another host, and so another site
    opened = onsale(
        shop=shop,
        protect=[{"path": "/cactus"}],
        opens="2020-01-01T00:00:00+00:00",
        admission={"rate": "200/s", "burst": 50},
    )
    async with (
        living(tmp_path, store_url, opened, gate=ListenAddress("127.0.0.1", port)) as here,
        browser() as running,
    ):
        context = await running.new_context(java_script_enabled=script)
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        asked: list[str] = []

        def note(request: Request) -> None:
            asked.append(request.url)

        page.on("request", note)
        await page.goto(f"{shop}/seats?row=1")
        assert page.url.startswith(f"{here.room}/cactus/?return=")
        if not script:
            await page.get_by_role("button", name="Join the line").click()
            while not await page.locator("#enter").is_visible():
                await page.goto(page.url)
        await expect(page.locator("#enter")).to_be_visible(timeout=PATIENCE_MS)
        await page.locator("#enter button").click()
        await page.wait_for_url(f"{shop}/seats?row=1")
        await expect(page.locator("body")).to_contain_text('"X-Tidegate-Onsale": "cactus"')
        held = {(each["name"], each["domain"]) for each in await context.cookies(shop)}
        assert {("tidegate_pass_cactus", "localhost"), ("tidegate_device", "localhost")} <= held
        await page.reload()
        await expect(page.locator("body")).to_contain_text('"path": "/cactus/seats?row=1"')

        (link,) = {url for url in asked if "/.tidegate/enter" in url}
        assert re.fullmatch(
            rf"http://localhost:{port}/\.tidegate/enter\?code=cactus\.[A-Za-z0-9_-]{{22}}", link
        )
        other = await running.new_context()
        other.set_default_timeout(PATIENCE_MS)
        copied = await other.new_page()
        answer = await copied.goto(link)
        assert answer is not None
        assert answer.status == 410
        await expect(copied.get_by_role("heading")).to_have_text("This link has been used")
        assert await other.cookies(shop) == []
        await copied.get_by_role("link", name="To the waiting room").click()
        await copied.wait_for_url(f"{here.room}/cactus/")
