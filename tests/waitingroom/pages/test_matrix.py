"""Each state of the page, with and without scripts, on a phone and on a desk: readable, whole, and no place seems lost."""

import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.waitingroom.pages.browsing import DESK, PATIENCE_MS, PHONE, Lens, device, violations
from tests.waitingroom.pages.repertoire import SCENES
from tests.waitingroom.pages.scenes import Scene, Stage, Visitor, play, stage_for
from waitingroom.pages.wording import IN_LINE, PAGE_STATES

MATRIX = [
    pytest.param(
        scene, scripts, view, id=f"{scene.name}, {'scripts' if scripts else 'no scripts'}, {view['width']} px"
    )
    for scene in SCENES
    for scripts in scene.scripts
    for view in (PHONE, DESK)
]


class Performance:
    """Plays one scene after the other, each once for all who look at it."""

    def __init__(self, stage: Stage, browser: Browser, lens: Lens) -> None:
        self.stage = stage
        self.lens = lens
        self._browser = browser
        self._scene: Scene | None = None
        self._visitors: dict[bool, Visitor] = {}

    async def visitor(self, scene: Scene, *, scripts: bool) -> Visitor:
        """Return the device which sees a scene."""
        if scene is not self._scene:
            await self.close()
            self._visitors = await play(self.stage, scene, self._browser)
            self._scene = scene
        return self._visitors[scripts]

    async def close(self) -> None:
        for visitor in self._visitors.values():
            await visitor.page.context.close()
        self._scene, self._visitors = None, {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def performance(chromium_running: Browser) -> AsyncIterator[Performance]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        async with stage_for(Path(folder), SCENES) as stage:
            seeing = await device(chromium_running)
            playing = Performance(stage, chromium_running, Lens(await seeing.new_page()))
            yield playing
            await playing.close()
            await seeing.close()


def test_every_state_has_a_scene() -> None:
    assert {scene.state for scene in SCENES} == {*PAGE_STATES, "joining", "notice"}


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("scene", "scripts", "view"), MATRIX)
async def test_a_state_is_told_in_words_and_fits(
    performance: Performance, scene: Scene, scripts: bool, view: dict[str, int]
) -> None:
    visitor = await performance.visitor(scene, scripts=scripts)
    page = visitor.page
    await page.set_viewport_size({"width": view["width"], "height": view["height"]})
    await expect(page.get_by_role("heading", name=scene.heading, exact=True)).to_be_visible()
    says = page.locator("main").get_by_text(scene.says).and_(page.locator(":not(#announcer)"))
    await expect(says).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= view["width"]
    found = await (violations(page) if scripts else performance.lens.violations(page))
    assert found == []
    assert visitor.errors == []
    if scripts and not scene.cuts:
        await expect(page.locator("#notice.worry")).to_have_count(0, timeout=PATIENCE_MS)
    await keeps_the_place(performance.stage, scene, visitor)


async def keeps_the_place(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """P2: who has a place sees its number as long as it counts, is never asked to join, and has it with the room."""
    if not scene.placed:
        return
    assert visitor.number is not None
    await expect(visitor.page.locator("#join button:visible")).to_have_count(0)
    if scene.state in IN_LINE:
        shown = await visitor.page.locator("#number").inner_text()
        assert int(re.sub(r"\D", "", shown)) == visitor.number
    if scene.cuts != "room":
        assert await visitor.ask_number(scene.address(stage)) == visitor.number
