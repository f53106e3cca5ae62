"""The page keeps itself up to date: by frames, by asking where those don't come, over lost connections, in several tabs."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.pages.browsing import (
    PATIENCE_MS,
    SHUT,
    cable,
    crowd,
    device,
    let_in,
    open_page,
    port_of,
    shows,
    snapshot,
    stand_still,
    state_is,
    until,
    until_true,
)
from tests.waitingroom.samples import onsale
from waitingroom.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


def count_requests(page: Page, path: str) -> list[str]:
    """Note the requests of a page for a path from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith(path) else None)
    return asked


async def test_frames_move_the_figures_without_a_question(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 500)
        page = await (await device(browser)).new_page()
        await stand_still(page)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "500")
        await let_in(client, here, 100)
        await shows(page, "ahead", "400")
        # The first question is asked in any case; the next one frames put off, by 16 seconds at the least.
        async with page.expect_response("**/status", timeout=PATIENCE_MS):
            await page.clock.run_for(6_000)
        asked = count_requests(page, "/status")
        for released in (200, 300, 400):
            await let_in(client, here, released)
            await shows(page, "ahead", str(500 - released))
            await page.clock.run_for(4_000)
        assert asked == []


async def test_a_stream_cut_in_the_middle_is_told_and_goes_on(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        cable(port_of(here)) as (way, near),
    ):
        await crowd(client, here, 500)
        page = await open_page(browser, f"http://127.0.0.1:{near}/cactus/")
        await shows(page, "ahead", "500")
        way.cut()
        await shows(page, "notice", "The connection is lost. Your place is safe; we keep trying.")
        await state_is(page, "waiting")
        await shows(page, "number", "501")
        await let_in(client, here, 100)
        way.whole = True
        await shows(page, "ahead", "400")
        await shows(page, "notice", "Your place is kept on this device: you may refresh or close this page.")
        await let_in(client, here, 501)
        await state_is(page, "released")


async def test_without_a_stream_the_page_asks(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, body="no streams here")

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        context = await device(browser)
        await context.route("**/events", refuse)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "50")
        await let_in(client, here, 20)
        await shows(page, "ahead", "30")
        await let_in(client, here, 51)
        await state_is(page, "released")


async def test_two_tabs_share_one_stream_and_one_place(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        context = await device(browser)
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
        first = await context.new_page()
        await first.goto(f"{here.room}/cactus/")
        await shows(first, "number", "51")
        second = await context.new_page()
        await second.goto(f"{here.room}/cactus/")
        await shows(second, "number", "51")
        await let_in(client, here, 20)
        for tab in (first, second):
            await shows(tab, "ahead", "30")
        assert len(asked) == 1
        # The tab that listened goes: the other one takes over.
        await first.close()
        await let_in(client, here, 40)
        await shows(second, "ahead", "10")
        await until(lambda: len(asked) == 2)
        assert snapshot(here).tail == 51


async def test_a_refresh_keeps_place_and_progress(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 100)
        page = await open_page(browser, f"{here.room}/cactus/")
        await shows(page, "ahead", "100")
        await let_in(client, here, 25)
        await shows(page, "ahead", "75")
        for _ in range(3):
            await page.get_by_role("button", name="Refresh now").click()
            await shows(page, "ahead", "75")
            await shows(page, "number", "101")
            await expect(page.locator("#progress")).to_have_js_property("max", 100)
            await expect(page.locator("#progress")).to_have_js_property("value", 25)
        assert snapshot(here).tail == 101


async def test_the_opening_draws_and_says_positions(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 9)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        await shows(page, "position", "known at the opening")
        await open_doors(client)
        await state_is(page, "waiting")
        await expect(page.locator("#position")).to_have_text(re.compile("^([1-9]|10)$"), timeout=PATIENCE_MS)


async def test_a_busy_room_is_asked_again_until_there_is_a_place(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    busy = True

    async def answer(route: Route) -> None:
        if busy:
            body = '{"title": "Too many joins", "retry_after": 0.2}'
            await route.fulfill(status=429, body=body, content_type="application/problem+json")
        else:
            await route.continue_()

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        context = await device(browser)
        await context.route("**/join", answer)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "headline", "Getting you a place")
        await expect(page.locator("#notice")).to_contain_text("Many are joining", timeout=PATIENCE_MS)
        await expect(page.locator("#notice")).to_be_in_viewport()
        busy = False
        await shows(page, "number", "6")


async def test_a_buyer_who_asked_is_told_by_sound_and_notification(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        context = await device(browser, permissions=["notifications"])
        await context.add_init_script(
            "window.told = []; window.tones = 0;"
            "window.Notification = class { constructor(title, more) { told.push([title, more.body]); }"
            " close() { told.pop(); } static permission = 'granted'; static requestPermission = async () => 'granted'; };"
            "const start = OscillatorNode.prototype.start;"
            "OscillatorNode.prototype.start = function (at) { tones += 1; return start.call(this, at); };"
        )
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await page.get_by_role("button", name="Tell me when it is my turn").click()
        await expect(page.locator("#notified")).to_contain_text("see a notification", timeout=PATIENCE_MS)
        await let_in(client, here, 6)
        await state_is(page, "released")

        async def rang() -> bool:
            return bool(await page.evaluate("tones") == 3 and await page.evaluate("told.length") == 1)

        await until_true(rang)
        assert await page.evaluate("told") == [["It is your turn", "Cactus: enter the shop now."]]


async def test_where_only_service_workers_may_notify_a_sound_alone_is_promised(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    """As on Android, where permission is given for what a page then cannot do."""
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        context = await device(browser, permissions=["notifications"])
        await context.add_init_script(
            "window.Notification = class { constructor() { throw new TypeError('Illegal constructor.'); }"
            " static permission = 'granted'; static requestPermission = async () => 'granted'; };"
        )
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await page.get_by_role("button", name="Tell me when it is my turn").click()
        await shows(page, "notified", "You will hear a sound. Keep this page open.")


@pytest.mark.parametrize("order", ["draw", "fifo"])
async def test_at_the_opening_a_page_that_listens_knows_its_turn_without_a_question(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, order: str
) -> None:
    async def refuse(route: Route) -> None:
        await route.abort()

    sale = onsale(opens_in_s=3_600, order=order, admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 9_999)
        context = await device(browser)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        room = here.rooms["cactus"]
        await until(lambda: room.listeners == 1)
        await context.route("**/status", refuse)
        await open_doors(client)
        await state_is(page, "waiting")
        place = Place("cactus", snapshot(here).epoch, 10_000, 0, b"")
        await until(lambda: room.standing(place).position is not None)
        position = room.standing(place).position or 0
        assert (position == 10_000) is (order == "fifo")
        await shows(page, "position", f"{position:,}")
        await let_in(client, here, position)
        await state_is(page, "released")
