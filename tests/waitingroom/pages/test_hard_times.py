"""A buyer's device and network at their worst: wrong clocks, sleep, other tabs in front, slow lines, cuts at the wrong moment."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.pages.browsing import (
    HIDE,
    PATIENCE_MS,
    SHUT,
    cable,
    chromium,
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
)
from tests.waitingroom.samples import onsale
from waitingroom.eta import NO_ETA
from waitingroom.frames import Frames
from waitingroom.pages.assets import FOLDER

pytestmark = pytest.mark.asyncio(loop_scope="session")
HOUR_S = 3600
SKEWED = """window.skew_ms = %d;
const RightDate = Date;
window.Date = class extends RightDate {
    constructor(...given) { given.length ? super(...given) : super(RightDate.now() + skew_ms); }
    static now() { return RightDate.now() + skew_ms; }
};"""


async def open_with_clock(browser: Browser, address: str, skew_s: int) -> Page:
    """Open the page on a device whose clock is wrong."""
    context = await device(browser)
    await context.add_init_script(SKEWED % (skew_s * 1000))
    page = await context.new_page()
    await page.goto(address)
    return page


@pytest.mark.parametrize(
    "skew_s", [pytest.param(HOUR_S, id="an hour fast"), pytest.param(-HOUR_S, id="an hour slow")]
)
async def test_countdowns_are_right_on_a_device_whose_clock_is_wrong(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, skew_s: int
) -> None:
    sales = (
        onsale("later", opens_in_s=2 * HOUR_S, admission=SHUT, protect=[{"path": "/later"}]),
        onsale(admission=SHUT, protect=[{"path": "/cactus"}]),
    )
    async with living(tmp_path, store_url, *sales) as here:
        page = await open_with_clock(browser, f"{here.room}/later/", skew_s)
        await state_is(page, "prequeue")
        await expect(page.locator("#countdown")).to_contain_text("1:5", timeout=PATIENCE_MS)
        await crowd(client, here, 5)
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await let_in(client, here, 6)
        await state_is(page, "released")
        await expect(page.locator("#left")).to_contain_text("01:", timeout=PATIENCE_MS)


async def test_a_clock_that_is_put_right_meanwhile_does_not_shift_the_countdown(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    far = onsale(opens_in_s=5 * HOUR_S, admission=SHUT)
    opens = far.spec.opens
    assert opens is not None
    begins = opens.fromtimestamp(opens.timestamp() - HOUR_S, opens.tzinfo)
    sale = onsale(opens=opens.isoformat(), prequeue=begins.isoformat(), admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        page = await open_with_clock(browser, f"{here.room}/cactus/", 0)
        await state_is(page, "early")
        await expect(page.locator("#countdown")).to_contain_text("3:5", timeout=PATIENCE_MS)
        async with page.expect_response("**/state"):
            await page.evaluate("skew_ms = 3_600_000")
        await expect(page.locator("#countdown")).to_contain_text("3:5", timeout=PATIENCE_MS)
        await state_is(page, "early")


async def test_a_sale_a_year_away_is_not_joined_today(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    """Browsers' timers end at 25 days, and those set for longer go off at once."""
    far = onsale(opens_in_s=366 * 24 * HOUR_S, admission=SHUT)
    opens = far.spec.opens
    assert opens is not None
    begins = opens.fromtimestamp(opens.timestamp() - HOUR_S, opens.tzinfo)
    sale = onsale(opens=opens.isoformat(), prequeue=begins.isoformat(), admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        asked: list[str] = []
        context = await device(browser)
        context.on("request", lambda request: asked.append(request.url))
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await expect(page.locator("#countdown")).to_contain_text("365 days", timeout=PATIENCE_MS)
        first = await page.locator("#countdown").inner_text()
        await expect(page.locator("#countdown")).not_to_have_text(first, timeout=PATIENCE_MS)
        assert not [url for url in asked if url.endswith("/join")]


async def test_ten_minutes_behind_another_tab_and_in_front_again(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5000)
        context = await device(browser)
        page = await context.new_page()
        await page.clock.install()
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "5,000")
        plain = await page.title()
        await page.evaluate(HIDE, True)
        await expect(page).to_have_title("5,000 ahead: Cactus", timeout=PATIENCE_MS)
        await let_in(client, here, 2000)
        await page.clock.fast_forward("10:00")
        await expect(page).to_have_title("3,000 ahead: Cactus", timeout=PATIENCE_MS)
        await page.evaluate(HIDE, False)
        await expect(page).to_have_title(plain, timeout=PATIENCE_MS)
        await shows(page, "ahead", "3,000")
        await shows(page, "number", "5,001")
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)
        await let_in(client, here, 5001)
        await state_is(page, "released")
        await expect(page.locator("#left")).to_contain_text("0", timeout=PATIENCE_MS)


async def test_where_the_stream_ends_questions_take_over_until_it_is_back(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async def refuse(route: Route) -> None:
        await route.abort()

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 500)
        page = await open_page(browser, f"{here.room}/cactus/")
        await shows(page, "ahead", "500")
        room = here.rooms["cactus"]
        await until(lambda: room.listeners == 1)
        room.frames.close()
        await let_in(client, here, 100)
        await shows(page, "ahead", "400")
        room.frames = Frames()
        await until(lambda: room.listeners == 1)
        await page.route("**/status", refuse)
        await let_in(client, here, 200)
        await shows(page, "ahead", "300")


async def test_pressing_enter_while_cut_off_enters_once_the_line_is_back(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str
) -> None:
    sale = onsale(shop=shop, admission=SHUT)
    async with living(tmp_path, store_url, sale) as here, cable(port_of(here)) as (way, near):
        await crowd(client, here, 5)
        page = await open_page(browser, f"http://127.0.0.1:{near}/cactus/")
        await state_is(page, "waiting")
        await let_in(client, here, 6)
        await state_is(page, "released")
        way.cut()
        await page.get_by_role("button", name="Enter the shop").click()
        await expect(page.locator("#notice")).to_contain_text("We keep trying", timeout=PATIENCE_MS)
        await expect(page.locator("#enter button")).to_have_text("Opening the shop …", timeout=PATIENCE_MS)
        way.whole = True
        await page.wait_for_url(shop, timeout=PATIENCE_MS)


STATES = """window.states = [];
new MutationObserver(() => states.push(document.body.dataset.state))
    .observe(document.body, { attributes: true, attributeFilter: ["data-state"] });"""
"""Notes each state that the page shows from now on, changed or not."""


@pytest.mark.parametrize("comes", ["the opening", "the turn"])
async def test_an_answer_that_was_overtaken_by_a_frame_sends_nobody_back(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, comes: str
) -> None:
    sale = (
        onsale(opens_in_s=HOUR_S, order="draw", admission=SHUT)
        if comes == "the opening"
        else onsale(admission=SHUT)
    )
    before, after = ("prequeue", "waiting") if comes == "the opening" else ("waiting", "released")
    asked, free = asyncio.Event(), asyncio.Event()

    async def delay(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await free.wait()
        await route.fulfill(response=answer)

    async with living(tmp_path, store_url, sale) as here, asyncio.timeout(2 * PATIENCE_MS / 1000):
        await crowd(client, here, 5)
        context = await device(browser)
        page = await context.new_page()
        await page.route("**/status", delay, times=1)
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, before)
        await until(lambda: here.rooms["cactus"].listeners == 1)
        await asked.wait()
        await (open_doors(client) if comes == "the opening" else let_in(client, here, 6))
        await state_is(page, after)
        await page.evaluate(STATES)
        async with page.expect_response("**/status"):
            free.set()
        # What it says is taken in before the next question is asked.
        async with page.expect_response("**/status"):
            pass
        assert set(await page.evaluate("states")) <= {after}
        await state_is(page, after)


@pytest.mark.slow
async def test_a_slow_mobile_network_gets_a_place_and_the_turn(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        context = await device(browser)
        page = await context.new_page()
        wire = await context.new_cdp_session(page)
        await wire.send("Network.enable")
        slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 25_000}
        await wire.send("Network.emulateNetworkConditions", slow)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "number", "6")
        await let_in(client, here, 6)
        await state_is(page, "released")


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [pytest.param(True, id="scripts"), pytest.param(False, id="no scripts")])
async def test_back_from_the_shop_the_page_knows_that_the_buyer_is_inside(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str, scripts: bool
) -> None:
    """In a browser that keeps pages as they were, and shows them again."""
    async with living(tmp_path, store_url, onsale(shop=shop, admission=SHUT)) as here:
        await crowd(client, here, 5)
        async with chromium(keeping_pages=True) as keeping:
            page = await open_page(keeping, f"{here.room}/cactus/", java_script_enabled=scripts)
            if not scripts:
                await page.get_by_role("button", name="Join the line").click()
            await state_is(page, "waiting")
            await let_in(client, here, 6)
            if not scripts:
                await page.goto(f"{here.room}/cactus/")
            await state_is(page, "released")
            await page.get_by_role("button", name="Enter the shop").click()
            await page.wait_for_url(shop)
            await page.go_back()
            await state_is(page, "admitted")
            await page.get_by_role("button", name="Go to the shop").click()
            await page.wait_for_url(shop)


async def test_an_old_frame_moves_neither_the_clock_nor_what_is_known(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    """A line that stands still makes no frames: whoever comes is sent the last one."""
    sale = onsale(opens_in_s=2 * HOUR_S, admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        now = snapshot(here)
        frames = Frames()
        frames.publish(replace(now, at_s=now.at_s - 900.0, message="long ago"), NO_ETA)
        sent: list[str] = []

        async def send(route: Route) -> None:
            sent.append(route.request.url)
            await route.fulfill(body=frames.newest[1], content_type="text/event-stream")

        context = await device(browser)
        await context.route("**/events", send)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        # The stream ends at once; when the page asks for it again, it has read the frame.
        await until(lambda: len(sent) > 1)
        await expect(page.locator("#countdown")).to_contain_text("1:5", timeout=PATIENCE_MS)
        await expect(page.locator("#message")).to_be_hidden(timeout=PATIENCE_MS)


async def test_a_phone_of_some_years_ago_gets_a_place_and_the_turn(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        context = await device(browser)
        await context.add_init_script(
            "delete AbortSignal.timeout; delete Array.prototype.at; delete Object.hasOwn;"
        )
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "number", "6")
        await let_in(client, here, 6)
        await state_is(page, "released")


async def test_a_cut_line_is_asked_again_after_growing_pauses_of_half_a_minute_at_the_most(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    minutes = 5
    refused: list[str] = []

    async def refuse(route: Route) -> None:
        refused.append(route.request.url)
        await route.abort()

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 500)
        context = await device(browser)
        page = await context.new_page()
        await stand_still(page)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "500")
        await context.route("**/events", refuse)
        await page.evaluate(
            """() => { window.asked = [];
            window.fetch = () => { asked.push(Date.now() / 1000); return Promise.reject(new TypeError("cut")); }; }"""
        )
        here.rooms["cactus"].frames.close()
        # When the page tries to have its stream again, it knows that it broke off.
        await until(lambda: refused)
        for _ in range(60 * minutes):
            await page.clock.run_for(1000)
        asked = await page.evaluate("asked")
        pauses = [later - earlier for earlier, later in pairwise(asked)]
        # 2, 4, 8, 16 seconds and half a minute from then on, each half as long to half as long again.
        assert 2 + 5 <= len(asked) <= 6 + 20
        assert max(pauses[:2]) < max(pauses[4:])
        assert min(pauses[4:]) >= 15 - 1
        assert max(pauses) <= 45 + 1


async def test_a_cut_line_is_told_long_before_the_own_question_is_due(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    """Far back in a long line a page asks about once a minute: that its stream breaks off, and cannot be had again, it knows."""
    asked: list[str] = []
    heard = 0
    whole = True

    async def send(route: Route) -> None:
        nonlocal heard
        if whole:
            heard += 1
            frame = b"retry: 300\n\n" + here.rooms["cactus"].frames.newest[1]
            await route.fulfill(body=frame, content_type="text/event-stream")
        else:
            asked.append("events")
            await route.abort()

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 20_000)
        context = await device(browser)
        # The last moment of the spread.
        await context.add_init_script("Math.random = () => 0.999;")
        page = await context.new_page()
        page.on("request", lambda request: asked.append("status") if "/status" in request.url else None)
        await stand_still(page)
        await context.route("**/events", send)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "20,000")
        # With the first frame the page puts its own question off. When it asks for the stream again, it has had one.
        await until(lambda: heard >= 2)
        asked.clear()
        whole = False
        await until(lambda: asked.count("events") >= 2)
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)
        await page.clock.run_for(10_500)
        await expect(page.locator("#notice")).to_contain_text("connection is lost", timeout=PATIENCE_MS)
        assert "status" not in asked
        whole = True
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)
        assert "status" not in asked


async def test_a_stream_that_never_came_is_told_as_one_that_broke_off(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    tried: list[str] = []

    async def cut(route: Route) -> None:
        tried.append(route.request.url)
        await route.abort()

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 20_000)
        context = await device(browser)
        await context.add_init_script("Math.random = () => 0.999;")
        page = await context.new_page()
        await stand_still(page)
        await context.route("**/events", cut)
        await page.goto(f"{here.room}/cactus/")
        await until(lambda: len(tried) >= 2)
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)
        await page.clock.run_for(10_500)
        await expect(page.locator("#notice")).to_contain_text("connection is lost", timeout=PATIENCE_MS)


async def test_a_room_that_refuses_streams_is_not_called_lost(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    refused = 0

    async def send(route: Route) -> None:
        nonlocal refused
        refused += 1
        if refused == 1:
            frame = b"retry: 300\n\n" + here.rooms["cactus"].frames.newest[1]
            await route.fulfill(body=frame, content_type="text/event-stream")
        else:
            await route.fulfill(status=429)

    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 20_000)
        context = await device(browser)
        await context.add_init_script("Math.random = () => 0.999;")
        page = await context.new_page()
        await stand_still(page)
        await context.route("**/events", send)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "20,000")
        await until(lambda: refused >= 2)
        await page.clock.run_for(45_000)
        await until(lambda: refused >= 3)
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)
        # The page's clock stands still again: whatever it would ask for in this time, it has asked for.
        assert refused == 3


async def test_a_device_that_knows_itself_cut_off_says_so_at_once(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 20_000)
        context = await device(browser)
        page = await context.new_page()
        # What follows from waiting for an answer takes time, and none passes.
        await stand_still(page)
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "ahead", "20,000")
        await context.set_offline(True)
        await expect(page.locator("#notice")).to_contain_text("connection is lost", timeout=PATIENCE_MS)
        await context.set_offline(False)
        await page.clock.resume()
        await expect(page.locator("#notice")).not_to_have_class("worry", timeout=PATIENCE_MS)


async def test_those_who_were_cut_off_together_do_not_come_back_together(browser: Browser) -> None:
    context = await device(browser)
    page = await context.new_page()
    script = (FOLDER / "backoff.js").read_text()
    pauses = await page.evaluate(
        """async (script) => {
            const { backoff_s } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
            return [1, 2, 3, 4, 5, 9, 99].map((failures) => Array.from({ length: 1000 }, () => backoff_s(failures)));
        }""",
        script,
    )
    await context.close()
    for middle_s, found in zip([2, 4, 8, 16, 30, 30, 30], pauses, strict=True):
        assert 0.5 * middle_s <= min(found) < 0.6 * middle_s
        assert 1.4 * middle_s < max(found) <= 1.5 * middle_s
        assert sum(found) / len(found) == pytest.approx(middle_s, rel=0.1)
