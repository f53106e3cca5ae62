"""News is read out calmly to those who use a screen reader: all that matters, once, and nothing that is over."""

from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from redis.asyncio import Redis

from tests.waitingroom.living import living
from tests.waitingroom.pages.browsing import (
    SHUT,
    crowd,
    device,
    let_in,
    open_page,
    shows,
    stand_still,
    state_is,
    until_true,
)
from tests.waitingroom.samples import onsale
from waitingroom.pages import Pages

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGES = Pages()
WAITING = {
    "state": "waiting",
    "ahead": 40,
    "eta": [60, 120],
    "reason": None,
    "hold": "",
    "message": "",
    "stale": False,
    "failures": 0,
    "problem": "",
}
KEPT = "Your place is kept on this device: you may refresh or close this page."
SLOW = {"code": "operator", "rate_per_s": 1.0, "usual_per_s": 2.0}
SAY = """async ([script, steps]) => {
    const { announce } = await import(script);
    const heard = [];
    for (const [now, seconds] of steps) {
        announce(now);
        clock.run(seconds);
        heard.push(document.getElementById("announcer").textContent);
    }
    return heard;
}"""
OWN_CLOCK = """window.clock = { now: 1e12, due: [], run(seconds) {
    clock.now += 1000 * seconds;
    const due = clock.due.filter(([at]) => at <= clock.now);
    clock.due = clock.due.filter(([at]) => at > clock.now);
    for (const [, call] of due) call();
} };
Date.now = () => clock.now;
window.setTimeout = (call, delay_ms) => clock.due.push([clock.now + delay_ms, call]);"""


async def stop_following(page: Page) -> None:
    """Have the page as it stands, with a clock of the test's own and without the script that keeps it up to date."""
    await page.route("**/room.js", lambda route: route.abort())
    await page.add_init_script(OWN_CLOCK)
    await page.reload()
    await state_is(page, "waiting")


async def listen_in(page: Page) -> None:
    """Note what is read out, with the page's time."""
    await page.evaluate(
        """() => { window.spoken = [];
        new MutationObserver(() => spoken.push([Date.now(), document.getElementById("announcer").textContent]))
            .observe(document.getElementById("announcer"), { childList: true, characterData: true, subtree: true }); }"""
    )


async def test_news_is_read_out_at_most_every_fifteen_seconds(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 1000)
        context = await device(browser)
        page = await context.new_page()
        await stand_still(page)
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await listen_in(page)
        assert await page.locator("#announcer").get_attribute("aria-live") == "polite"
        for released in range(100, 1000, 100):
            await let_in(client, here, released)
            await shows(page, "ahead", f"{1000 - released}")
            await page.clock.run_for(4000)
        await page.clock.run_for(20_000)

        async def last_is_said() -> bool:
            said = await page.evaluate("spoken.at(-1)?.[1] ?? ''")
            return str(said).startswith("100 people ahead of you.")

        await until_true(last_is_said)
        times = [at for at, _ in await page.evaluate("spoken")]
        assert len(times) >= 3
        assert all(later - earlier >= 15_000 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        pytest.param(
            [
                ({"hold": "Payments are down", "state": "held"}, 15),
                ({"hold": "Back soon.", "state": "held"}, 15),
            ],
            [
                "The line is paused. You keep your place. The line goes on where it stopped. "
                "Why the line is paused: Payments are down.",
                "Why the line is paused: Back soon.",
            ],
            id="pauses",
        ),
        pytest.param(
            [
                ({"message": "Day tickets are gone"}, 15),
                ({"message": "Day tickets are gone", "ahead": 30}, 15),
            ],
            [
                "Message from the organiser: Day tickets are gone.",
                "30 people ahead of you. Expected wait: 1 to 2 minutes.",
            ],
            id="message once",
        ),
        pytest.param(
            [({"reason": SLOW}, 15), ({"reason": {**SLOW, "rate_per_s": 0.5}}, 15)],
            ["The shop lets fewer people in. Buyers let in per minute: 60 instead of 120."] * 2,
            id="a cause, not its figures",
        ),
        pytest.param(
            [({"stale": True}, 15), ({}, 15)],
            ["We have lost sight of the line for a moment. Your place is safe.", KEPT],
            id="stale",
        ),
        pytest.param(
            [({"failures": 1}, 15), ({"state": "released", "ahead": 0}, 15)],
            [
                "The connection is lost. Your place is safe; we keep trying.",
                f"It is your turn. Enter the shop now. {KEPT}",
            ],
            id="cut and called",
        ),
        pytest.param(
            [({"failures": 1}, 2), ({}, 15)],
            ["40 people ahead of you. Expected wait: 1 to 2 minutes."] * 2,
            id="a cut that is over before it is said",
        ),
        pytest.param(
            [({"state": "released", "ahead": 0}, 2), ({"state": "released", "ahead": 0, "failures": 1}, 15)],
            [
                "40 people ahead of you. Expected wait: 1 to 2 minutes.",
                "It is your turn. Enter the shop now. The connection is lost. Your place is safe; we keep trying.",
            ],
            id="the turn, and a cut",
        ),
    ],
)
async def test_what_is_read_out(
    tmp_path: Path,
    store_url: str,
    client: Redis,
    browser: Browser,
    steps: list[tuple[dict[str, object], int]],
    heard: list[str],
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 50)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await stop_following(page)
        script = f"{PAGES.assets.address}/announcer.js"
        before: list[tuple[dict[str, object], int]] = [({"ahead": 41}, 0), ({}, 1)]
        found = await page.evaluate(
            SAY, [script, [[{**WAITING, **news}, seconds] for news, seconds in [*before, *steps]]]
        )
        assert found[2:] == heard
