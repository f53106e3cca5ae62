"""Joining by token and moving a place in a real browser: what the script does on the way is what the forms do."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from redis.asyncio import Redis

from tests.tools import need
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from tests.waitingroom.shopkeys import Shop, presale

SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "30s"}
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


async def device(running: Browser, address: str) -> Page:
    """Open the page on a device of its own."""
    context = await running.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(address)
    return page


async def shows_number(page: Page, number: int) -> None:
    await expect(page.locator("#number")).to_have_text(str(number), timeout=PATIENCE_MS)


@pytest.mark.slow
async def test_a_member_joins_by_the_link_and_takes_the_place_along(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    shop = Shop()
    shop.write(tmp_path)
    async with living(tmp_path, store_url, presale(admission=SHUT)) as here, browser() as running:
        link = f"{here.room}/cactus/?token={shop.invite('member-7')}"
        phone = await device(running, link)
        await shows_number(phone, 1)
        assert phone.url == f"{here.room}/cactus/"
        laptop = await device(running, link)
        # The script gives way to the page which explains.
        await laptop.get_by_role("button", name="Move my place to this device").click()
        await shows_number(laptop, 1)
        await expect(phone.locator("#headline")).to_have_text(
            "Your place was moved to another device", timeout=PATIENCE_MS
        )
        stranger = await device(running, f"{here.room}/cactus/?token=nonsense")
        await expect(stranger.locator("#lead")).to_contain_text("This link is damaged")
        assert stranger.url == f"{here.room}/cactus/?refused=malformed"


@pytest.mark.slow
async def test_a_code_brings_the_place_to_another_device(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, browser() as running:
        phone = await device(running, f"{here.room}/cactus/")
        await shows_number(phone, 1)
        laptop = await device(running, f"{here.room}/cactus/")
        await shows_number(laptop, 2)
        await phone.get_by_text("Use another device").click()
        await phone.get_by_role("button", name="Get a code to move my place").click()
        code = await phone.locator("#code").text_content()
        assert code
        assert re.fullmatch(r"\w{5}-\w{5}", code)
        await laptop.get_by_text("Use another device").click()
        await laptop.get_by_label("Code from your other device").fill(code)
        await laptop.get_by_role("button", name="Bring my place here").click()
        await shows_number(laptop, 1)
        await phone.get_by_role("link", name="Back to the line").click()
        await expect(phone.locator("#headline")).to_have_text("Your place was moved to another device")
        await phone.get_by_role("button", name="Join again").click()
        await shows_number(phone, 3)
