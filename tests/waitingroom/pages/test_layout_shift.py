"""Nothing jumps under a buyer's thumb: not while a place is got, not while the line moves, not at the opening."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.pages.browsing import (
    DESK,
    HIDE,
    PATIENCE_MS,
    PHONE,
    SHUT,
    crowd,
    device,
    let_in,
    shows,
    state_is,
    until,
)
from tests.waitingroom.samples import onsale
from waitingroom.pages.languages import Language, load_languages
from waitingroom.pages.wording import slow
from waitingroom.slowdown import Cause

pytestmark = pytest.mark.asyncio(loop_scope="session")
LANGUAGES = load_languages()
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
WATCH = """window.shifts = [];
const note = (entries) => shifts.push(...entries.map((each) => [
    each.value, document.body?.dataset.state, ...each.sources.map(({ node }) => node?.id || node?.nodeName)]));
const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ type: "layout-shift", buffered: true });
window.seen = () => { note(observer.takeRecords()); return shifts; };"""
MOST = 0.02
"""The most that a first visit may shift, for a line more or less above; up to 0.1 counts as good (Core Web Vitals)."""
MOST_AT_A_TURN = 0.1
"""The most that the opening may shift, or the turn: what is shown changes then, and what stands below stays."""
FIGURES = {
    "reason": "drand round 4711",
    "rate_per_s": 20.0,
    "usual_per_s": 200.0,
    "ready": 30,
    "usual_ready": 110,
}
VIEWS = pytest.mark.parametrize("view", [pytest.param(PHONE, id="320 px"), pytest.param(DESK, id="1280 px")])


class Gate:
    """Holds what a page asks for back until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    async def hold(self, route: Route) -> None:
        """Let a question pass once the gate is open."""
        await self.opened.wait()
        await route.continue_()


async def shifts(page: Page) -> list[list[object]]:
    """Return what has moved without the buyer: how much, in which state, which elements."""
    await page.evaluate(TWO_FRAMES)
    # With those of which the observer is still to be told: it is whenever the browser has the time.
    found: list[list[object]] = await page.evaluate("seen()")
    return found


@VIEWS
@pytest.mark.parametrize(
    "code", ["en", *(pytest.param(code, marks=pytest.mark.slow) for code in ("ar", "de", "fr", "nl"))]
)
async def test_a_first_visit_is_steady(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, view: dict[str, int], code: str
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 1050)
        context = await device(browser, viewport=view, locale=code)
        await context.add_init_script(WATCH)
        page = await context.new_page()
        script, place = Gate(), Gate()
        await page.route("**/room.js", script.hold)
        await page.route("**/join", place.hold)
        # Each state is painted before the next one comes.
        await page.goto(f"{here.room}/cactus/", wait_until="commit")
        await expect(page.locator("#join button")).to_be_visible(timeout=PATIENCE_MS)
        await page.evaluate(TWO_FRAMES)
        script.opened.set()
        await state_is(page, "joining")
        await page.evaluate(TWO_FRAMES)
        place.opened.set()
        await state_is(page, "waiting")
        found = await shifts(page)
        assert sum(float(str(value)) for value, *_ in found) <= MOST, found
        for released in (51, 500, 1001, 1041, 1049):
            await let_in(client, here, released)
            await shows(page, "ahead", LANGUAGES[code].number(1050 - released))
        assert await shifts(page) == found
        await page.reload()
        await state_is(page, "waiting")
        found = await shifts(page)
        assert sum(float(str(value)) for value, *_ in found) <= MOST, found


@VIEWS
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(each, id=each.code, marks=[] if each.code == "de" else pytest.mark.slow)
        for each in LANGUAGES
    ],
)
async def test_no_reason_for_a_slow_line_moves_the_page(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, view: dict[str, int], language: Language
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        context = await device(browser, viewport=view, locale=language.code)
        await context.add_init_script(WATCH)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "waiting")
        before = await shifts(page)
        height = await page.locator("#pace").evaluate("pace => pace.offsetHeight")
        for cause in Cause:
            text = slow(language, {"code": str(cause), **FIGURES})
            found = await page.locator("#pace").evaluate(
                "(pace, text) => { pace.textContent = text; return pace.offsetHeight; }", text
            )
            assert found == height, (str(cause), text)
            assert await shifts(page) == before, str(cause)


def sum_of(found: list[list[object]]) -> float:
    """Return how much has moved in all."""
    return sum(float(str(value)) for value, *_ in found)


@VIEWS
@pytest.mark.parametrize(
    "code", ["en", *(pytest.param(code, marks=pytest.mark.slow) for code in ("ar", "de", "fr", "nl"))]
)
async def test_opening_and_turn_leave_what_stands_below_in_its_place(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, view: dict[str, int], code: str
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 9)
        context = await device(browser, viewport=view, locale=code)
        await context.add_init_script(WATCH)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        await until(lambda: here.rooms["cactus"].listeners == 1)
        before = await shifts(page)
        await open_doors(client)
        await state_is(page, "waiting")
        await expect(page.locator("#position")).to_have_text(re.compile("^([1-9]|10)$"), timeout=PATIENCE_MS)
        opened = await shifts(page)
        assert sum_of(opened) - sum_of(before) <= MOST_AT_A_TURN, opened[len(before) :]
        await let_in(client, here, 10)
        await state_is(page, "released")
        called = await shifts(page)
        assert sum_of(called) - sum_of(opened) <= MOST_AT_A_TURN, called[len(opened) :]
        # The room that was kept is given up while nobody looks.
        card = page.locator(".now")
        kept = await card.evaluate("card => card.offsetHeight")
        await page.evaluate(HIDE, True)
        assert await card.evaluate("card => card.offsetHeight") < kept
