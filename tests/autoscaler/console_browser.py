"""A browser at the console: signed in, watched for what must not happen, and led by its keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from rulebook.admintokens import Role
from tests.autoscaler.console_stage import TOKENS, Stage
from tests.tools import need

expect.set_options(timeout=60_000)

PATIENCE_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    binary = need("chromium")
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=binary, args=FLAGS)
        yield running
        await running.close()


async def holds(page: Page, script: str, given: object = None) -> None:
    """Wait until a script answers yes. Playwright's own wait asks from within the page, whose policy forbids to evaluate text."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(script, given):
            await asyncio.sleep(0.05)


@asynccontextmanager
async def visitor(browser: Browser, stage: Stage, role: Role | None, **context: Any) -> AsyncIterator[Page]:
    """Be at the console, signed in as what a role may do; whatever a page complains about fails the test."""
    made = await browser.new_context(viewport={"width": 1360, "height": 900}, **context)
    made.set_default_timeout(PATIENCE_MS)
    page = await made.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if not is_own(request.url) else None)
    try:
        await page.goto(stage.console)
        if role is not None:
            await page.get_by_label("Token").fill(TOKENS[role])
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.locator("#services")).to_be_visible(timeout=PATIENCE_MS)
        yield page
        assert complaints == []
        assert foreign == []
    finally:
        await made.close()


def is_own(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "about:"))


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is so called has the focus."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        told = await page.evaluate(
            "(e => (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || '').trim())"
            "(document.activeElement)"
        )
        if told.startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


async def press(page: Page, name: str, *, text: str = "") -> None:
    """Go to what is so called by Tab, write a text into it, and press Enter."""
    await tab_to(page, name)
    if text:
        await page.keyboard.press("ControlOrMeta+a")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
