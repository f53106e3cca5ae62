"""Everybody can use the page: axe-core finds nothing, the keyboard operates all, nothing that is focused gets lost."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.pages.browsing import (
    DESK,
    PATIENCE_MS,
    PHONE,
    SHUT,
    crowd,
    device,
    let_in,
    look_unscripted,
    open_page,
    operate,
    shows,
    state_is,
    violations,
)
from tests.waitingroom.samples import onsale
from waitingroom.pages import Pages, sample_notices
from waitingroom.pages.samples import sample_views
from waitingroom.pages.wording import PAGE_STATES

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGES = Pages()
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def render(page: Page, here_room: str, body: bytes) -> None:
    """Show a rendered page as the room would send it, with the room's own files."""
    headers = {**PAGES.security_headers, "Content-Type": "text/html; charset=utf-8"}
    await page.route("**/sample/", lambda route: route.fulfill(body=body, headers=headers))
    await page.goto(f"{here_room}/sample/")
    await page.unroute("**/sample/")
    await look_unscripted(page)


@pytest.mark.parametrize(
    ("code", "scheme", "viewport"),
    [
        pytest.param("en", "light", PHONE, id="English, light, 320 px"),
        pytest.param("ar", "dark", PHONE, id="Arabic, dark, 320 px"),
        pytest.param("de", "dark", DESK, id="German, dark, 1280 px", marks=pytest.mark.slow),
        pytest.param("fr", "light", PHONE, id="French, light, 320 px", marks=pytest.mark.slow),
        pytest.param("nl", "light", PHONE, id="Dutch, light, 320 px", marks=pytest.mark.slow),
    ],
)
async def test_axe_finds_nothing_and_nothing_runs_off_the_side_in_any_state(
    tmp_path: Path,
    store_url: str,
    client: Redis,
    browser: Browser,
    code: str,
    scheme: str,
    viewport: dict[str, int],
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        # Without its script each state stays as it was rendered; what is for browsers without scripts is shown as well.
        context = await device(browser, color_scheme=scheme, viewport=viewport)
        await context.route("**/room.js", lambda route: route.abort())
        page = await context.new_page()
        language = PAGES.languages[code]
        seen = []
        for view in sample_views(language):
            await render(
                page, here.room, PAGES.render(view).replace(b'<meta http-equiv="refresh" content="30">', b"")
            )
            await page.evaluate(
                "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
            )
            assert await violations(page) == [], view.state
            assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (
                view.state
            )
            seen.append(view.state)
        assert seen == list(PAGE_STATES)
        await context.route("**/retry.js", lambda route: route.abort())
        for notice in sample_notices():
            await render(page, here.room, PAGES.render_notice(notice, language))
            assert await violations(page) == [], notice.reason


async def test_axe_finds_nothing_on_a_page_that_lives(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "waiting")
        assert await violations(page) == []
        await operate(client, here, hold="a reason", message="a message")
        await state_is(page, "held")
        assert await violations(page) == []
        await operate(client, here, hold="")
        await let_in(client, here, 51)
        await state_is(page, "released")
        await expect(page.locator("#left")).to_be_visible()
        assert await violations(page) == []


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this id or text is focused."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.id || document.activeElement.innerText")
        if focused == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


async def test_the_keyboard_alone_operates_everything(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, shop: str
) -> None:
    async with living(tmp_path, store_url, onsale(shop=shop, admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/", permissions=["notifications"])
        await state_is(page, "waiting")
        reached = []
        for _ in range(20):
            await page.keyboard.press("Tab")
            reached.append(
                await page.evaluate("document.activeElement.id || document.activeElement.innerText")
            )
            if reached[-1] == "notify":
                outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid"
                await page.keyboard.press("Enter")
                await expect(page.locator("#notify")).to_have_attribute("aria-pressed", "true")
            if reached[-1] == "Use another device":
                await page.keyboard.press("Enter")
            if reached[-1] == "Nederlands":
                break
        assert reached[-1] == "Nederlands"
        assert [each for each in reached if each in {"notify", "Refresh now", "typed"}] == [
            "notify",
            "Refresh now",
            "typed",
        ]
        await let_in(client, here, 6)
        await state_is(page, "released")
        await page.locator("body").evaluate("() => document.activeElement.blur()")
        await tab_to(page, "Enter the shop")
        await page.keyboard.press("Enter")
        await page.wait_for_url(shop)


async def test_the_keyboard_alone_moves_the_place_and_changes_the_language(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/")
        await shows(page, "number", "6")
        await tab_to(page, "Use another device")
        await page.keyboard.press("Enter")
        await tab_to(page, "Get a code to move my place")
        await page.keyboard.press("Enter")
        code = await page.locator("#code").inner_text(timeout=PATIENCE_MS)
        await tab_to(page, "Back to the line")
        await page.keyboard.press("Enter")
        await shows(page, "number", "6")

        other = await open_page(browser, f"{here.room}/cactus/")
        await shows(other, "number", "7")
        await tab_to(other, "Use another device")
        await other.keyboard.press("Space")
        await tab_to(other, "typed")
        await other.keyboard.type(code)
        await tab_to(other, "Bring my place here")
        await other.keyboard.press("Enter")
        await shows(other, "number", "6")
        await tab_to(other, "Nederlands")
        await other.keyboard.press("Enter")
        await shows(other, "headline", "Je staat in de rij")
        await expect(other.locator("html")).to_have_attribute("lang", "nl", timeout=PATIENCE_MS)


async def test_the_keyboard_alone_checks_the_draw(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(opens_in_s=3_600, order="draw", admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        await open_doors(client)
        await state_is(page, "waiting")
        await tab_to(page, "Check how your place was drawn")
        await page.keyboard.press("Enter")
        await tab_to(page, "check")
        await page.keyboard.press("Enter")
        await expect(page.locator("#checked")).to_contain_text("Correct.", timeout=PATIENCE_MS)


async def test_the_keyboard_alone_joins_and_refreshes_without_scripts(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/", java_script_enabled=False)
        await page.keyboard.press("Tab")
        await expect(page.locator("#every-join")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.locator("#join button")).to_be_focused()
        await page.keyboard.press("Enter")
        await state_is(page, "waiting")
        for locator in ("#refresh button", "#devices summary", "#every"):
            await page.keyboard.press("Tab")
            await expect(page.locator(locator)).to_be_focused()
        await page.keyboard.press("End")
        await expect(page.locator("#every")).to_have_value("0")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Apply")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**refresh=0**")
        await expect(page.locator("#every")).to_have_value("0")


async def test_focus_stays_where_it_is(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    focused = "document.activeElement.id"
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await page.locator("#notify").focus()
        await let_in(client, here, 20)
        await shows(page, "ahead", "30")
        assert await page.evaluate(focused) == "notify"
        await let_in(client, here, 51)
        await state_is(page, "released")
        # The button has served its purpose and goes: the headline takes the focus, and is read out.
        assert await page.evaluate(focused) == "headline"


async def test_focus_in_what_goes_away_moves_to_the_headline(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await page.locator("#notify").focus()
        await operate(client, here, soldout="1")
        await state_is(page, "soldout")
        assert await page.evaluate("document.activeElement.id") == "headline"


@pytest.mark.parametrize(
    "reduced", [pytest.param("reduce", id="reduced"), pytest.param("no-preference", id="as usual")]
)
async def test_reduced_motion_is_respected(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, reduced: str
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        page = await open_page(browser, f"{here.room}/cactus/", reduced_motion=reduced)
        await shows(page, "ahead", "50")
        wire = await page.context.new_cdp_session(page)
        await wire.send("Animation.enable")
        # Whatever is animated stays where it began.
        await wire.send("Animation.setPlaybackRate", {"playbackRate": 0})
        bar = page.locator("#progress")
        empty = await bar.screenshot()
        await let_in(client, here, 25)
        await shows(page, "ahead", "25")
        await page.evaluate(TWO_FRAMES)
        assert (await bar.screenshot() != empty) is (reduced == "reduce")
