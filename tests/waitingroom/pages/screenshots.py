"""The pictures of the buyers' page in docs/img: each state, as a phone shows it, before a real room (`make screenshots`)."""

import tempfile
from collections.abc import Set
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.waitingroom.pages.browsing import DESK, PATIENCE_MS, chromium, snapshot, until
from tests.waitingroom.pages.repertoire import SCENES
from tests.waitingroom.pages.scenes import Scene, Stage, play, stage_for

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


def names_of(scene: Scene) -> tuple[str, ...]:
    """Return the names of a scene's pictures."""
    return (scene.name, *VARIANTS.get(scene.name, {}))


async def shoot(page: Page, path: Path) -> None:
    """Take a picture of what a device shows first."""
    await page.wait_for_timeout(700)
    picture = await page.screenshot(path=path, animations="disabled")
    print(f"{path.name}: {len(picture) / 1000:.1f} kB", flush=True)  # noqa: T201 - a command


async def steady(stage: Stage, scene: Scene) -> None:
    """Wait until a line that moves has shown how fast, and its arrivals are over."""
    room = scene.living(stage)
    if scene.state == "waiting" and scene.name in {"waiting", "told"}:
        await until(lambda: 4.5 < snapshot(room, scene.name).released_per_s < 5.5, within_s=_WAIT_S)
    if scene.state in {"waiting", "prequeue"}:
        await until(lambda: snapshot(room, scene.name).arrivals_per_s < 1, within_s=_WAIT_S)


async def picture(stage: Stage, scene: Scene, browser: Browser, names: Set[str], folder: Path) -> None:
    """Play a scene, and take those of its pictures that are named."""
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
    if scene.name in names:
        await shoot(page, folder / f"page-{scene.name}.png")
    for name, options in VARIANTS.get(scene.name, {}).items():
        if name not in names:
            continue
        different = {"viewport": PHONE, "storage_state": await page.context.storage_state()} | options
        context = await browser.new_context(timezone_id="Europe/Brussels", **different)
        other = await context.new_page()
        await other.goto(page.url)
        await shoot(other, folder / f"page-{name}.png")
        await context.close()
    await page.context.close()


async def take(names: Set[str], folder: Path) -> None:
    """Take the pictures that are named; each goes into a file of its own in `folder`."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as work:
        async with stage_for(Path(work), SCENES) as stage, chromium() as browser:
            for scene in SCENES:
                if not names.isdisjoint(names_of(scene)):
                    await picture(stage, scene, browser, names, folder)
