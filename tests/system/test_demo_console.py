"""The demo's console acts on its stack: replicas, processes and the room's rate become what an operator asks for by browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.async_api import Page, expect

from rulebook.admintokens import Role
from tests.system.test_demo_run import processes_in
from tests.waitingroom.pages.browsing import PATIENCE_MS, chromium
from tidegate.demo.documents import load_demo_documents
from tidegate.demo.examples import find_examples
from tidegate.demo.stack import Stack, running_stack

T = TypeVar("T")
SERVICE, ONSALE = "services/demo-shop", "onsales/cactusfestival"
PATIENCE_S = 120.0
pytestmark = pytest.mark.slow
expect.set_options(timeout=PATIENCE_MS)


async def becomes(ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> T:
    end_s = time.monotonic() + PATIENCE_S
    while not condition(found := await ask()):
        assert time.monotonic() < end_s, found
        await asyncio.sleep(0.1)
    return found


class Demo:
    """The stack, and an operator's browser at its console."""

    def __init__(self, stack: Stack, page: Page) -> None:
        self.stack = stack
        self.page = page

    async def rule(self) -> dict[str, Any]:
        status = await self.stack.get_json(f"{self.stack.endpoints.scaler}/status")
        assert status is not None
        found: dict[str, Any] = status["rules"]["demo-shop"]
        return found

    async def onsale(self) -> dict[str, Any]:
        return await self.stack.get_json(f"{self.stack.endpoints.room}/cactusfestival/state") or {}

    async def shops(self) -> dict[int, str]:
        return {
            pid: command
            for pid, command in processes_in(self.stack.folder).items()
            if "tidegate.demo.shop" in command
        }

    async def open(self, path: str) -> None:
        await self.page.goto(self.stack.endpoints.console + path)

    async def press(self, button: str, *, sure: str = "") -> None:
        """Press a button, and the one on the page that asks once more."""
        await self.page.get_by_role("button", name=button, exact=True).click()
        if sure:
            await self.page.get_by_role("button", name=sure, exact=True).click()

    async def told(self, text: str) -> None:
        await expect(self.page.locator(".notice-good").first).to_have_text(text)

    async def join(self) -> None:
        async with self.stack.http.post(f"{self.stack.endpoints.room}/cactusfestival/join") as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def a_demo(folder: Path) -> AsyncIterator[Demo]:
    documents = load_demo_documents(find_examples("demo"))
    async with running_stack(documents, folder) as stack, chromium() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(stack.endpoints.console)
        await page.get_by_label("Token").fill(stack.access.tokens[Role.OPERATOR])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#services")).to_contain_text("demo-shop")
        yield Demo(stack, page)


async def test_what_an_operator_asks_for_by_browser_is_done_to_the_demo(tmp_path: Path) -> None:
    async with a_demo(tmp_path) as demo:
        await the_service_is_pinned_paused_and_set_free(demo)
        await the_processes_are_replaced(demo)
        await the_onsale_is_slowed_held_and_resumed(demo)
        await demo.open("audit")
        for what in ("set mode: pinned at 5", "set mode: paused", "restart", "rate", "hold", "resume"):
            await expect(demo.page.locator("#entries")).to_contain_text(what)
        tokens = list(demo.stack.access.tokens.values())
        secret = demo.stack.access.room_secret
        assert secret.stat().st_mode & 0o077 == 0
        tokens.append(secret.read_text().strip())
    assert not secret.exists()
    assert files_which_hold(tmp_path, tokens) == []


def files_which_hold(folder: Path, texts: Iterable[str]) -> list[Path]:
    written = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in written if any(text.encode() in path.read_bytes() for text in texts)]


async def the_service_is_pinned_paused_and_set_free(demo: Demo) -> None:
    await becomes(demo.rule, lambda rule: rule["ready"] == 2)
    await demo.open(SERVICE)
    await demo.page.get_by_role("radio", name="Pinned").check()
    await demo.page.get_by_label("Replicas, when pinned").fill("5")
    await demo.press("Set the mode", sure="Pin at 5")
    await demo.told("demo-shop is pinned at 5 now.")
    await becomes(demo.rule, lambda rule: rule["ready"] == 5)
    assert len(await demo.shops()) == 5
    await expect(demo.page.locator("#pod-rows tr")).to_have_count(5)
    await demo.page.get_by_role("radio", name="Paused").check()
    await demo.press("Set the mode", sure="Pause")
    await demo.told("demo-shop is paused now.")
    # Its signals ask for two; round after round it keeps the five.
    paused = await becomes(demo.rule, lambda rule: rule["paused"] is True)
    later = await becomes(demo.rule, lambda rule: rule["rounds"] >= paused["rounds"] + 3)
    assert (later["ready"], later["decision"]["bound_by"]) == (5, "paused")
    await demo.page.get_by_role("radio", name="Automatic").check()
    await demo.press("Set the mode", sure="Set to automatic")
    await demo.told("demo-shop is automatic now.")
    await becomes(demo.rule, lambda rule: rule["ready"] == 2)


async def the_processes_are_replaced(demo: Demo) -> None:
    before = await becomes(demo.shops, lambda shops: len(shops) == 2)
    await demo.open(SERVICE)
    await demo.press("Restart…", sure="Restart")
    await demo.told("demo-shop is being restarted.")
    await becomes(demo.shops, lambda shops: len(shops) == 2 and not shops.keys() & before.keys())
    await becomes(demo.rule, lambda rule: rule["ready"] == 2)


async def the_onsale_is_slowed_held_and_resumed(demo: Demo) -> None:
    state = await becomes(demo.onsale, lambda onsale: onsale.get("phase") == "open")
    assert state["rate_per_s"] > 1
    await demo.open(ONSALE)
    await demo.page.get_by_label("Ceiling, such as 12/s").fill("1/s")
    await demo.press("Set the rate")
    await demo.told("cactusfestival: the rate is set.")
    await becomes(demo.onsale, lambda onsale: onsale.get("rate_per_s") == 1)
    await demo.page.get_by_label("Reason, which buyers read").fill("A fire alarm")
    await demo.press("Hold: release nobody")
    await demo.told("cactusfestival: nobody is released until you resume.")
    held = await becomes(demo.onsale, lambda onsale: onsale.get("hold") == "A fire alarm")
    for _ in range(5):
        await demo.join()
    waiting = await becomes(demo.onsale, lambda onsale: onsale.get("waiting") == 5)
    assert waiting["released"] == held["released"]
    await expect(demo.page.locator("#figures-now .big")).to_have_text("5 waiting")
    await demo.press("Resume")
    await demo.told("cactusfestival: buyers are released again.")
    await becomes(demo.onsale, lambda onsale: onsale.get("waiting") == 0)
    await becomes(demo.onsale, lambda onsale: onsale.get("hold") == "")
    await demo.page.get_by_label("Ceiling, such as 12/s").fill("")
    await demo.press("Set the rate")
    await becomes(demo.onsale, lambda onsale: onsale.get("rate_per_s", 0) > 1)
