"""Writes the pictures of docs/img/: each state of the page, as a phone shows it, before a real room. `make screenshots` runs it.

The names of scenes as arguments take those pictures alone.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.waitingroom.pages.browsing import DESK, PATIENCE_MS, chromium, snapshot, until
from tests.waitingroom.pages.repertoire import SCENES
from tests.waitingroom.pages.scenes import Scene, Stage, play, stage_for

IMAGES = Path(__file__).parents[3] / "docs" / "img"
PHONE = {"width": 360, "height": 720}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "waiting": {
        "dark-nl": {"locale": "nl", "color_scheme": "dark"},
        "arabic": {"locale": "ar"},
        "desk": {"viewport": DESK},
        "plain": {"java_script_enabled": False},
    },
}
"""Further pictures of a scene: name, and how their device differs."""
_WAIT_S = 300


async def shoot(page: Page, name: str) -> None:
    """Take a picture of what a device shows first."""
    path = IMAGES / f"page-{name}.png"
    await page.wait_for_timeout(700)
    await page.screenshot(path=path, animations="disabled")
    print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB", flush=True)  # noqa: T201 - a command


async def steady(stage: Stage, scene: Scene) -> None:
    """Wait until a line that moves has shown how fast, and its arrivals are over."""
    room = scene.living(stage)
    if scene.state == "waiting" and scene.name in {"waiting", "told"}:
        await until(lambda: 4.5 < snapshot(room, scene.name).released_per_s < 5.5, within_s=_WAIT_S)
    if scene.state in {"waiting", "prequeue"}:
        await until(lambda: snapshot(room, scene.name).arrivals_per_s < 1, within_s=_WAIT_S)


async def picture(stage: Stage, scene: Scene, browser: Browser) -> None:
    """Play a scene, and take its pictures."""
    scripts = scene.scripts[0]
    visitors = await play(stage, scene, browser, scripts, viewport=PHONE)
    page = visitors[scripts].page
    await steady(stage, scene)
    if not scene.cuts:
        await expect(page.locator("#notice.worry")).to_have_count(0, timeout=PATIENCE_MS)
    if scene.state in {"waiting", "prequeue"} and not scene.cuts and scene.name != "told":
        await page.reload()
    if scene.name == "told":
        await page.locator("#notified").scroll_into_view_if_needed()
    await shoot(page, scene.name)
    for name, options in VARIANTS.get(scene.name, {}).items():
        different = {"viewport": PHONE, "storage_state": await page.context.storage_state()} | options
        context = await browser.new_context(timezone_id="Europe/Brussels", **different)
        other = await context.new_page()
        await other.goto(page.url)
        await shoot(other, name)
        await context.close()
    await page.context.close()


async def main(names: list[str]) -> None:
    """Take the pictures of the scenes which are named, or of all."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        async with stage_for(Path(folder), SCENES) as stage, chromium() as browser:
            for scene in SCENES:
                if not names or scene.name in names:
                    await picture(stage, scene, browser)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
