"""What a buyer is shown in each state, with and without scripts: the same words, by the real room."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis

from tests.waitingroom.living import Living, living
from tests.waitingroom.pages.browsing import (
    FAST,
    PHONE,
    SHUT,
    crowd,
    device,
    let_in,
    open_page,
    operate,
    shows,
    snapshot,
    state_is,
    until,
)
from tests.waitingroom.samples import onsale

pytestmark = pytest.mark.asyncio(loop_scope="session")
WITH_AND_WITHOUT = pytest.mark.parametrize(
    "scripts", [pytest.param(True, id="scripts"), pytest.param(False, id="no scripts")]
)
HOUR_S = 3600
ZONED = re.compile(r"\b\d\d:\d\d:\d\d \(GMT\+00:00\)")


async def arrive(browser: Browser, here: Living, *, scripts: bool, **options: Any) -> Page:
    """Come to the page and join: by the script, or by the form."""
    page = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=scripts, **options)
    if not scripts and await page.locator("#join").is_visible():
        await page.get_by_role("button", name="Join the line").click()
    return page


async def come_to(page: Page, state: str, *, scripts: bool) -> None:
    """See a new state: the script finds out by itself, without it the buyer presses the button."""
    if not scripts:
        await page.goto(page.url)
    await state_is(page, state)


@WITH_AND_WITHOUT
async def test_a_buyer_sees_position_people_ahead_and_way(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, scripts: bool
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 4710)
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "waiting")
        await shows(page, "headline", "You are in line")
        await shows(page, "number", "4,711")
        await shows(page, "ahead", "4,710")
        await let_in(client, here, 2355)
        if not scripts:
            await page.goto(page.url)
        await shows(page, "ahead", "2,355")
        assert await page.locator("#progress").evaluate("bar => bar.value / bar.max") == pytest.approx(0.5)
        await shows(page, "notice", "Your place is kept on this device: you may refresh or close this page.")


@WITH_AND_WITHOUT
async def test_the_prequeue_counts_down_and_says_what_a_draw_is(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, scripts: bool
) -> None:
    sale = onsale(opens_in_s=2 * HOUR_S, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "prequeue")
        await shows(page, "headline", "You are in the pre-queue")
        await expect(page.locator("#lead")).to_contain_text("drawn by lot")
        await shows(page, "ahead", "known at the opening")
        await expect(page.locator("#opens")).not_to_be_empty()
        if scripts:
            await expect(page.locator("#countdown")).to_have_text(re.compile(r"\b1:5\d:\d\d\b"))
        else:
            await expect(page.locator("#countdown")).to_be_hidden()
        await expect(page.locator("#draw")).to_contain_text("the operator knew the seed")


@WITH_AND_WITHOUT
async def test_who_comes_before_the_waiting_room_opens_is_told_when(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, scripts: bool
) -> None:
    early = onsale(opens_in_s=4 * HOUR_S, admission=SHUT)
    later = early.spec.opens.replace(second=0, microsecond=0)
    sale = onsale(opens=early.spec.opens.isoformat(), prequeue=later.isoformat(), admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "early")
        await shows(page, "headline", "The waiting room is not open yet")
        await shows(page, "opens-label", "The waiting room opens")
        assert snapshot(here).tail == 0


async def test_the_script_joins_when_the_waiting_room_opens(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    early = onsale(opens_in_s=3602, admission=SHUT)
    assert early.spec.opens is not None
    begins = early.spec.opens.timestamp() - HOUR_S
    sale = onsale(
        opens_in_s=HOUR_S,
        prequeue=early.spec.opens.fromtimestamp(begins, early.spec.opens.tzinfo).isoformat(),
    )
    async with living(tmp_path, store_url, sale) as here:
        page = await arrive(browser, here, scripts=True)
        await state_is(page, "prequeue")
        await shows(page, "number", "1")


@WITH_AND_WITHOUT
async def test_a_pause_shows_the_operators_reason_as_text(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, scripts: bool
) -> None:
    hostile = '<img src=x onerror="alert(1)"> the "payment" provider is down'
    async with living(tmp_path, store_url, onsale(admission=SHUT, title={"en": "<b>Cactus</b>"})) as here:
        await crowd(client, here, 5)
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "waiting")
        await operate(client, here, hold=hostile, message="Second line: <script>alert(2)</script>")
        await come_to(page, "held", scripts=scripts)
        await shows(page, "hold-text", hostile)
        await shows(page, "message-text", "Second line: <script>alert(2)</script>")
        await shows(page, "eta", "unknown during the pause")
        await expect(page.locator("h1")).to_have_text("<b>Cactus</b>")
        await expect(page.locator("main img")).to_have_count(0)
        await operate(client, here, hold="", message="")
        await come_to(page, "waiting", scripts=scripts)
        await expect(page.locator("#hold")).to_be_hidden()
        await expect(page.locator("#message")).to_be_hidden()


@WITH_AND_WITHOUT
async def test_a_turn_says_how_long_it_lasts_and_leads_to_the_shop(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str, scripts: bool
) -> None:
    async with living(tmp_path, store_url, onsale(shop=shop, admission=SHUT)) as here:
        await crowd(client, here, 3)
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "waiting")
        await let_in(client, here, 4)
        await come_to(page, "released", scripts=scripts)
        await shows(page, "headline", "It is your turn")
        await expect(page.locator("#enter-by")).to_contain_text("Enter by ")
        if scripts:
            await expect(page.locator("#left")).to_contain_text("01:")
            await expect(page).to_have_title(re.compile("^It is your turn"))
        else:
            # Without a script nobody knows where the buyer's clock stands.
            await shows(page, "left", "1 minute")
            await expect(page.locator("#enter-by")).to_contain_text(ZONED)
            await expect(page.locator("#updated")).to_contain_text(ZONED)
        await page.get_by_role("button", name="Enter the shop").click()
        await page.wait_for_url(shop)
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "admitted")
        await expect(page.get_by_role("button", name="Go to the shop")).to_be_visible()


@WITH_AND_WITHOUT
@pytest.mark.parametrize(
    ("fields", "state", "headline"),
    [
        pytest.param({"soldout": "1"}, "soldout", "Sold out", id="sold out"),
        pytest.param({"ops_closes_us": "1"}, "closed", "The sale is over", id="closed"),
    ],
)
async def test_the_end_is_told_to_those_in_line_and_to_newcomers(
    tmp_path: Path,
    store_url: str,
    client: Redis,
    browser: Browser,
    scripts: bool,
    fields: dict[str, str],
    state: str,
    headline: str,
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 3)
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "waiting")
        await operate(client, here, **fields)
        await come_to(page, state, scripts=scripts)
        await shows(page, "headline", headline)
        newcomer = await arrive(browser, here, scripts=scripts, viewport=PHONE)
        await state_is(newcomer, state)
        assert snapshot(here).tail == 4


@WITH_AND_WITHOUT
async def test_who_missed_the_turn_is_next_and_who_is_done_may_join_again(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str, scripts: bool
) -> None:
    sale = onsale(shop=shop, admission=FAST | {"claimWithin": "1s"}, session={"length": "2s", "max": "2s"})
    async with living(tmp_path, store_url, sale) as here:
        await operate(client, here, hold="not yet")
        page = await arrive(browser, here, scripts=scripts)
        await state_is(page, "held")
        await operate(client, here, hold="")
        await until(lambda: snapshot(here).lines[0].settled == 1)
        await operate(client, here, hold="not yet")
        await come_to(page, "late", scripts=scripts)
        await shows(page, "headline", "Your turn came and went")
        await page.get_by_role("button", name="Enter the shop").click()
        await state_is(page, "next")
        await shows(page, "headline", "You are next")
        await expect(page.get_by_role("button", name="Enter the shop")).to_be_visible(visible=not scripts)
        if not scripts:
            # The refresh which was chosen when joining enters as soon as there is room.
            assert 'content="30; url=/cactus/enter"' in await page.content()
        await operate(client, here, hold="")
        if not scripts:
            await until(lambda: snapshot(here).late == 0)
            await page.get_by_role("button", name="Enter the shop").click()
        await page.wait_for_url(shop)
        await until(lambda: snapshot(here).claimed == 1 and snapshot(here).sessions == 0)
        await page.goto(f"{here.room}/cactus/")
        await page.locator("#enter button").click()
        await state_is(page, "ended")
        await shows(page, "headline", "Your visit to the shop is over")
        await expect(page.get_by_role("button", name="Join again")).to_be_visible()


@WITH_AND_WITHOUT
async def test_nobody_waits_where_nobody_has_to(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str, scripts: bool
) -> None:
    async with living(tmp_path, store_url, onsale(shop=shop, admission=FAST)) as here:
        # In a room that has just begun the first tokens are to come yet.
        await until(lambda: here.rooms["cactus"].walk_in_now)
        page = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=scripts)
        assert page.url == shop


@pytest.mark.parametrize("test", ["one", "another"])
async def test_no_device_of_another_test_goes_on_asking(browser: Browser, test: str) -> None:
    """Its room's port may be the next room's: a buyer whom nobody expects would join there."""
    assert browser.contexts == []
    await device(browser)
