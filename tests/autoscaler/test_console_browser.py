"""The console in a real browser: live, readable for everybody, by keyboard alone, without scripts, and text is text."""

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from autoscaler.store.connection import open_client
from rulebook.admintokens import Role
from tests.autoscaler.console_browser import PATIENCE_MS, browser, holds, press, tab_to, visitor
from tests.autoscaler.console_stage import TOKENS, Stage, running_stage, stage_settings
from tests.autoscaler.pools import post
from tests.autoscaler.test_console_acts import becomes, rule_of
from tests.waitingroom.samples import onsale

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
PAGES = ["", "services/web", "services/web/log", "onsales", "onsales/cactus", "audit", "nothing"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(store_url: str) -> AsyncIterator[Stage]:
    """One stage for all tests: its names and messages are hostile, and so is what its replicas print."""
    document = onsale(title={"en": HOSTILE}, admission={"rate": "0.01/s", "burst": 1, "claimWithin": "30s"})
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        settings = stage_settings(Path(folder), store_url, description=HOSTILE)
        # What other tests left in the store would be this rule's as well: a mode, or a line that is held.
        async with aclosing(open_client(store_url)) as client:
            await client.flushall()
        async with running_stage(settings, document) as stage:
            # Pages without scripts show once what there is: let there be rounds, a plot of them, and logs.
            await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 2 and rule["rounds"] > 3)
            yield stage


async def override_of(stage: Stage) -> Any:
    async with stage.http.get("/status") as answer:
        return (await answer.json())["rules"]["web"]["override"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_shuts_anybody_out(browser: Browser, stage: Stage, scheme: str) -> None:
    async with visitor(browser, stage, None, color_scheme=scheme) as page:
        found = {"sign-in": (await Axe().run(page)).response["violations"]}
    for role in (Role.OPERATOR, Role.VIEWER):
        async with visitor(browser, stage, role, color_scheme=scheme) as page:
            await page.goto(f"{stage.console}services/web")
            await expect(page.locator("#plot-replicas")).to_be_visible(timeout=PATIENCE_MS)
            for path in PAGES:
                await page.goto(stage.console + path)
                await expect(page.locator("h1")).to_be_visible()
                found[f"{role} {path}"] = (await Axe().run(page)).response["violations"]
            if role is Role.OPERATOR:
                await page.goto(f"{stage.console}services/web")
                await page.get_by_role("button", name="Restart…").click()
                await expect(page.locator("h1")).to_have_text("Restart web?")
                found["confirm"] = (await Axe().run(page)).response["violations"]
    assert {path: json.dumps(violations)[:2000] for path, violations in found.items() if violations} == {}


async def test_others_texts_are_shown_as_text(browser: Browser, stage: Stage) -> None:
    assert stage.room is not None
    log = next((stage.folder / "logs").glob("shop-*.log"))
    with log.open("a") as file:
        file.write(f"{HOSTILE} \x1b[31mred\x1b[0m \x00\n")
    headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{stage.room.room}/admin/v1/onsales/cactus/message", json={"message": HOSTILE}) as answer,
    ):
        assert answer.status == 200
    async with visitor(browser, stage, Role.OPERATOR) as page:
        await expect(page.locator("#services .description")).to_have_text(HOSTILE)
        await expect(page.locator("#onsale-cactus h3")).to_have_text(HOSTILE)
        await page.get_by_label("Configure web").click()
        await page.get_by_label("Reason").fill(HOSTILE)
        await page.get_by_label("Paused").check()
        await page.get_by_role("button", name="Set the mode").click()
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator(".notice-good")).to_have_text("web is paused now.")
        await expect(page.locator("#alerts")).to_contain_text(HOSTILE)
        await page.get_by_label("Automatic").check()
        await page.get_by_role("button", name="Set the mode").click()
        await page.get_by_role("button", name="Set to automatic").click()
        await expect(page.locator(".notice-good")).to_have_text("web is automatic now.")
        await page.goto(f"{stage.console}onsales/cactus")
        await expect(page.locator("#figures-now")).to_contain_text(HOSTILE)
        await page.goto(f"{stage.console}services/web/log?pod={log.stem}")
        await expect(page.locator("#log")).to_contain_text(f"{HOSTILE} red \ufffd")
        await page.goto(f"{stage.console}audit")
        await expect(page.locator("#entries")).to_contain_text(HOSTILE)
        assert await page.locator("main img, main script").count() == 0
        assert await page.title() == "Audit · Tidegate"


async def test_the_keyboard_is_enough_to_sign_in_and_to_pause_and_resume(
    browser: Browser, stage: Stage
) -> None:
    async with visitor(browser, stage, None) as page:
        await tab_to(page, "Skip to content")
        await tab_to(page, "Token")
        await page.keyboard.type(TOKENS[Role.OPERATOR])
        await page.keyboard.press("Enter")
        await expect(page.locator("#services")).to_be_visible(timeout=PATIENCE_MS)
        await tab_to(page, "Configure web")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("web")
        await tab_to(page, "Automatic")
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_label("Paused")).to_be_checked()
        await tab_to(page, "Set the mode")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Pause web?")
        await expect(page.locator("main")).to_contain_text("The count stays as it is")
        assert await override_of(stage) is None
        await press(page, "Pause")
        await expect(page.locator(".notice-good")).to_have_text("web is paused now.")
        await expect(page.locator("#tiles")).to_contain_text("Paused")
        assert (await override_of(stage))["mode"] == "paused"
        await tab_to(page, "Paused")
        await page.keyboard.press("ArrowUp")
        await tab_to(page, "Set the mode")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Set web to automatic?")
        await press(page, "Set to automatic")
        await expect(page.locator(".notice-good")).to_have_text("web is automatic now.")
        await expect(page.locator("#tiles")).to_contain_text("Automatic")
        assert await override_of(stage) is None


async def test_what_happens_is_shown_without_a_reload(browser: Browser, stage: Stage) -> None:
    async with visitor(browser, stage, Role.VIEWER) as page:
        await page.goto(f"{stage.console}services/web")
        await expect(page.locator("#connection")).to_have_text("Live")
        pod = page.locator("#pod-rows tr").first
        url = await pod.locator(".sub").first.text_content()
        log = pod.get_by_role("link")
        await log.focus()
        focused = await log.get_attribute("id")
        await post(f"http://{url}/crash")
        await expect(page.locator("#happenings")).to_contain_text("Ended by itself", timeout=PATIENCE_MS)
        await expect(pod).to_contain_text("Running", timeout=PATIENCE_MS)
        # The parts that were taken over did not take the focus along.
        assert await page.evaluate("document.activeElement.id") == focused


async def test_a_log_is_followed_and_searched(browser: Browser, stage: Stage) -> None:
    log = next((stage.folder / "logs").glob("shop-*.log"))
    async with visitor(browser, stage, Role.VIEWER) as page:
        await page.goto(f"{stage.console}services/web/log?pod={log.stem}")
        await expect(page.locator("#connection")).to_have_text("Live")
        with log.open("a") as file:
            file.write("".join(f"line {number} of many\n" for number in range(300)))
        await expect(page.locator("#log")).to_contain_text("line 299 of many")
        await holds(
            page,
            "(l => l.scrollTop + l.clientHeight >= l.scrollHeight - 8)(document.getElementById('log'))",
        )
        await page.get_by_label("Search").fill("LINE 77")
        await expect(page.locator(".log-line:visible")).to_have_text(["line 77 of many"])
        await expect(page.locator("#found")).to_contain_text("1 of")
        with log.open("a") as file:
            file.write("something else\nline 77 again\n")
        await expect(page.locator(".log-line:visible")).to_have_text(["line 77 of many", "line 77 again"])


async def test_without_scripts_everything_can_be_read_and_done(browser: Browser, stage: Stage) -> None:
    log = next((stage.folder / "logs").glob("shop-*.log"))
    with log.open("a") as file:
        file.write("a needle\n")
    async with visitor(browser, stage, Role.OPERATOR, java_script_enabled=False) as page:
        await expect(page.locator("#services")).to_contain_text("web")
        await page.goto(f"{stage.console}services/web")
        await expect(page.locator("#plot-replicas path").first).to_be_attached()
        await expect(page.locator("#decision")).to_contain_text("stabilisation")
        await page.goto(f"{stage.console}services/web/log?pod={log.stem}")
        await page.get_by_label("Search").fill("needle")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".log-line")).to_have_text(["a needle"])
        await page.goto(f"{stage.console}services/web")
        await page.get_by_label("Dry run").check()
        await page.get_by_role("button", name="Set the mode").click()
        await expect(page.locator("h1")).to_have_text("Set web to a dry run?")
        await expect(page.locator("main")).to_contain_text("it only says what it would do")
        assert await override_of(stage) is None
        await page.get_by_role("button", name="Set to dry run").click()
        await expect(page.locator(".notice-good")).to_have_text("web is on a dry run now.")
        assert (await override_of(stage))["mode"] == "dryRun"
        await page.get_by_label("Automatic").check()
        await page.get_by_role("button", name="Set the mode").click()
        await page.get_by_role("button", name="Set to automatic").click()
        await expect(page.locator(".notice-good")).to_have_text("web is automatic now.")
        assert await override_of(stage) is None


@pytest.mark.parametrize("width", [320, 390])
async def test_the_console_fits_a_phone(browser: Browser, stage: Stage, width: int) -> None:
    async with visitor(browser, stage, Role.OPERATOR) as page:
        await page.set_viewport_size({"width": width, "height": 800})
        for path in PAGES:
            await page.goto(stage.console + path)
            wide = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, path


async def test_the_keyboard_is_enough_to_think_again_to_read_logs_and_to_run_an_onsale(
    browser: Browser, stage: Stage
) -> None:
    async with visitor(browser, stage, Role.OPERATOR) as page:
        await press(page, "Configure web")
        await expect(page.locator("h1")).to_have_text("web")
        await press(page, "Restart…")
        await expect(page.locator("h1")).to_have_text("Restart web?")
        await press(page, "Cancel")
        await expect(page.locator("h1")).to_have_text("web")
        await press(page, "Log of shop-")
        await expect(page.locator("h1")).to_contain_text("Log of shop-")
        await tab_to(page, "Search")
        await page.keyboard.type("nowhere in any line")
        await expect(page.locator("#found")).to_contain_text("0 of")
        await tab_to(page, "Follow")
        await page.keyboard.press("Space")
        await expect(page.locator("#follow")).not_to_be_checked()
        await press(page, "Onsales")
        await expect(page.locator("h1")).to_have_text("Onsales")
        await press(page, "<img")
        await expect(page.locator("h1")).to_have_text(HOSTILE)
        for label, text, told in (
            ("Ceiling", "0.01/s", "the rate is set."),
            ("Shown to all", "Doors at ten", "the message is set."),
            ("Reason, which", "A fire alarm", "nobody is released until you resume."),
        ):
            await press(page, label, text=text)
            await expect(page.locator(".notice-good")).to_have_text(f"cactus: {told}")
        await press(page, "Resume")
        await expect(page.locator(".notice-good")).to_have_text("cactus: buyers are released again.")
        await press(page, "The session", text="A" * 22)
        await expect(page.locator("h1")).to_have_text("Revoke this session?")
        await press(page, "Revoke")
        await expect(page.locator(".notice-good")).to_have_text("cactus: the session is revoked.")
