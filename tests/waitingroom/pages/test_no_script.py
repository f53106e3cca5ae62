"""Without scripts: everything by forms, loaded again as often as the buyer chose, refusals as pages in their language."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, living
from tests.waitingroom.pages.browsing import SHUT, crowd, let_in, open_page, shows, state_is
from tests.waitingroom.samples import onsale

pytestmark = pytest.mark.asyncio(loop_scope="session")
REFRESH = re.compile(r'<meta http-equiv="refresh" content="(\d+)">')


async def test_the_page_is_loaded_again_only_as_often_as_the_buyer_chose(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    """WCAG 2.2.1: chosen before it begins, over a range of ten times, and turned off at any time."""
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=False)
        assert not REFRESH.search(await page.content())
        choice = page.get_by_label("Refresh this page by itself")
        assert await choice.locator("option").all_inner_texts() == [
            "every 30 seconds",
            "every minute",
            "every 2 minutes",
            "every 5 minutes",
            "never",
        ]
        await page.get_by_role("button", name="Join the line").click()
        await state_is(page, "waiting")
        found = REFRESH.search(await page.content())
        assert found
        assert found[1] == "30"
        for label, seconds in (("every 5 minutes", "300"), ("never", None)):
            await page.get_by_label("Refresh this page by itself").select_option(label)
            await page.get_by_role("button", name="Apply").click()
            await page.wait_for_url(f"**refresh={seconds or 0}**")
            await page.goto(f"{here.room}/cactus/")
            found = REFRESH.search(await page.content())
            assert (found and found[1]) == seconds
        await let_in(client, here, 2)
        await page.get_by_role("button", name="Refresh now").click()
        await shows(page, "ahead", "3")


async def test_a_page_that_loads_itself_again_does_so(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitingroom.web.pagedesk.REFRESH_CHOICES", (1, 30))
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/?refresh=1", java_script_enabled=False)
        await page.get_by_role("button", name="Join the line").click()
        await state_is(page, "waiting")
        await page.goto(f"{here.room}/cactus/?refresh=1")
        await let_in(client, here, 2)
        await shows(page, "ahead", "3")


async def test_a_refresh_that_is_nonsense_is_none(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await crowd(client, here, 5)
        for nonsense in ("1", "-5", "0;url=//evil.example", "٣٠", ""):
            async with buyer.get(f"{here.room}/cactus/", params={"refresh": nonsense}, headers=HTML) as page:
                assert not REFRESH.search(await page.text())


@pytest.mark.parametrize("scripts", [pytest.param(True, id="scripts"), pytest.param(False, id="no scripts")])
async def test_the_place_moves_by_the_forms(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, scripts: bool
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        phone = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=scripts)
        laptop = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=scripts, locale="nl")
        if not scripts:
            await phone.get_by_role("button", name="Join the line").click()
        await shows(phone, "number", "6")
        await phone.locator("#devices summary").click()
        await phone.get_by_role("button", name="Get a code to move my place").click()
        await expect(phone.locator("#text")).to_contain_text("for 10 minutes")
        code = await phone.locator("#code").inner_text()
        await laptop.locator("#devices summary").click()
        await laptop.get_by_label("Code van je andere toestel").fill("wrong")
        await laptop.get_by_role("button", name="Haal mijn plaats hierheen").click()
        await expect(laptop.get_by_role("heading", name="Onbekende code")).to_be_visible()
        await laptop.get_by_label("Code van je andere toestel").fill(code.lower())
        await laptop.get_by_role("button", name="Haal mijn plaats hierheen").click()
        await shows(laptop, "number", "6")
        await phone.get_by_role("link", name="Back to the line").click()
        await state_is(phone, "moved")


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        pytest.param("GET", "/nothing/", 404, "Hier is niets", id="no such sale"),
        pytest.param("POST", "/cactus/enter", 404, "Geen plaats op dit toestel", id="no place"),
        pytest.param("POST", "/cactus/move", 403, "Onbekende code", id="no code"),
    ],
)
async def test_refusals_are_pages_in_the_buyers_language(
    tmp_path: Path, store_url: str, client: Redis, method: str, path: str, status: int, title: str
) -> None:
    headers = {**HTML, "Accept-Language": "nl"}
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await crowd(client, here, 5)
        async with buyer.request(method, here.room + path, headers=headers, data={"code": "x"}) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (status, "text/html")
            assert answer.headers["Content-Language"] == "nl"
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert f'<h1 id="headline">{title}</h1>' in text
        async with buyer.get(f"{here.room}/nothing/") as answer:
            assert answer.content_type == "application/problem+json"
