"""The console in a browser at its less common moments: restarted, refused, standing by, without a room; and its plots read."""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis

from autoscaler.settings import LeaseIn
from rulebook.admintokens import Role
from tests.autoscaler.console_browser import browser, holds, press, tab_to, visitor
from tests.autoscaler.console_stage import TOKENS, running_stage, stage_settings
from tests.ports import free_port

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def violations(page: Page) -> str:
    return json.dumps((await Axe().run(page)).response["violations"])[:2000]


async def test_open_pages_say_that_they_are_old_and_ask_to_sign_in_once_the_scaler_was_restarted(
    browser: Browser, tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = replace(stage_settings(tmp_path, store_url), port=free_port())
    async with AsyncExitStack() as first:
        stage = await first.enter_async_context(running_stage(settings))
        async with visitor(browser, stage, Role.VIEWER) as page:
            await page.goto(f"{stage.console}services/web")
            await expect(page.locator("#pod-rows")).to_contain_text("Running")
            log = await page.context.new_page()
            await log.goto(f"{stage.console}services/web/log")
            for each in (page, log):
                await expect(each.locator("#connection")).to_have_text("Live")
            await expect(page.locator("#stale")).to_be_hidden()
            await first.aclose()
            for each in (page, log):
                await expect(each.locator("#connection")).to_have_text("Not connected")
            await expect(page.locator("#stale")).to_contain_text("Not connected. What you see is as of ")
            assert await violations(page) == "[]"
            async with running_stage(settings):
                for each in (page, log):
                    await expect(each.get_by_role("heading", name="Sign in")).to_be_visible()
                    await expect(each.get_by_role("alert")).to_have_text(
                        "Your session has ended: sign in again."
                    )
                await page.get_by_label("Token").fill(TOKENS[Role.VIEWER])
                await page.keyboard.press("Enter")
                await expect(page.locator("h1")).to_have_text("web")
                await expect(page.locator("#connection")).to_have_text("Live")


async def test_a_plot_is_read_at_a_moment_by_pointer_and_by_keyboard(
    browser: Browser, tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        running_stage(stage_settings(tmp_path, store_url)) as stage,
        visitor(browser, stage, Role.VIEWER) as page,
    ):
        await page.goto(f"{stage.console}services/web")
        plot, reading = page.locator("#plot-replicas"), page.locator("#plot .reading")
        await expect(plot).to_be_visible()
        # At the right edge, which is now: what others of the same store's rules did before may lie behind a gap.
        # Measured in one step: between finding the plot and measuring it the page may have put a new one in its place.
        width, height = await page.evaluate(
            "(({ width, height }) => [width, height])"
            "(document.getElementById('plot-replicas').getBoundingClientRect())"
        )
        await plot.hover(position={"x": width - 2, "y": height / 2})
        await expect(reading).to_have_text(re.compile(r"^\d\d:\d\d:\d\d UTC: desired \d, available \d"))
        await page.locator("h1").hover()
        await expect(reading).to_be_empty()
        await holds(
            page,
            "(f => f.end - f.start > 2)(JSON.parse(document.getElementById('plot-replicas').dataset.plot))",
        )
        await plot.focus()
        await page.keyboard.press("Home")
        first = await reading.text_content()
        # The page renews its plots; what is read stays at its moment.
        await holds(
            page,
            "before => document.getElementById('plot-replicas').dataset.plot !== before",
            await plot.get_attribute("data-plot"),
        )
        await expect(reading).to_have_text(first or "nothing")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowLeft")
        await expect(reading).to_have_text(first or "nothing")
        await page.keyboard.press("End")
        await expect(reading).not_to_have_text(first or "nothing")
        await page.keyboard.press("Escape")
        await expect(reading).to_be_empty()


async def test_the_keyboard_is_enough_to_confirm_a_pin_and_a_restart(
    browser: Browser, tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        running_stage(stage_settings(tmp_path, store_url)) as stage,
        visitor(browser, stage, Role.OPERATOR) as page,
    ):
        await press(page, "Configure web")
        await expect(page.locator("h1")).to_have_text("web")
        await tab_to(page, "Automatic")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_role("radio", name="Pinned")).to_be_checked()
        await press(page, "Replicas, when pinned", text="2")
        await expect(page.locator("h1")).to_have_text("Pin web at 2?")
        await press(page, "Pin at 2")
        await expect(page.locator(".notice-good")).to_have_text("web is pinned at 2 now.")
        await expect(page.locator("#pod-rows .chip-good")).to_have_count(2)
        pods = await page.locator("#pod-rows th").all_text_contents()
        await press(page, "Restart…")
        await expect(page.locator("h1")).to_have_text("Restart web?")
        await press(page, "Restart")
        await expect(page.locator(".notice-good")).to_have_text("web is being restarted.")
        await expect(page.locator("#happenings")).to_contain_text("Stopped")
        assert len(pods) == 2


async def test_no_page_shuts_anybody_out_when_something_is_refused_or_out_of_reach(
    browser: Browser, tmp_path: Path, store_url: str, client: Redis
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    secret = tmp_path / "room-token"
    secret.write_text("a-token\n")
    one, two = (
        replace(stage_settings(tmp_path / name, store_url), leader=LeaseIn.STORE) for name in ("one", "two")
    )
    assert one.console is not None
    console = replace(one.console, room_admin="http://127.0.0.1:1", room_admin_token_file=secret)
    found = {}
    async with running_stage(replace(one, console=console)) as leader:
        async with visitor(browser, leader, None) as page:
            await page.get_by_label("Token").fill("no-such-token")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_have_text("This token is not known here.")
            found["refused"] = await violations(page)
        async with asyncio.timeout(60):
            while "web" not in (await (await leader.http.get("/status")).json())["rules"]:
                await asyncio.sleep(0.05)
        async with visitor(browser, leader, Role.OPERATOR) as page:
            for path in ("", "onsales", "onsales/cactus"):
                await page.goto(leader.console + path)
                await expect(page.locator("main .notice-bad").first).to_contain_text("127.0.0.1:1")
                found[f"no room: {path}"] = await violations(page)
        async with running_stage(two) as other, visitor(browser, other, Role.OPERATOR) as page:
            await expect(page.get_by_role("link", name="open its console")).to_be_visible()
            found["standing by"] = await violations(page)
            await page.goto(f"{other.console}services/web")
            await expect(page.get_by_role("link", name="Open the leader's console")).to_be_visible()
            found["elsewhere"] = await violations(page)
    assert {name: told for name, told in found.items() if told != "[]"} == {}
