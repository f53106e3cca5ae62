"""A rule that could not be started has its line in the console's table, which says why, in words."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from autoscaler.settings import ScalerSettings
from rulebook.admintokens import Role
from tests.autoscaler.console_browser import browser, visitor
from tests.autoscaler.console_stage import running_stage, signed_in, stage_settings
from tests.autoscaler.pools import APP
from tests.autoscaler.running import POOL, RULE
from tests.autoscaler.test_console_acts import becomes

__all__ = ["browser"]


def add_a_rule_that_cannot_start(settings: ScalerSettings) -> Path:
    """Take the folder of the logs away, and write a rule with a pool of its own, which needs it."""
    folder = settings.rules[0]
    settings.logs.rename(folder.parent / "elsewhere")
    settings.logs.write_text("no folder")
    file = folder / "other.yaml"
    documents = (
        RULE.replace("web", "other"),
        POOL % {"app": APP, "first": 1, "last": 4, "folder": folder.parent},
    )
    file.write_text("---\n".join(document.replace("shop", "spare") for document in documents))
    return file


async def test_it_has_a_line_that_says_why_until_it_is_gone(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    async with running_stage(settings) as stage, signed_in(stage) as operator:
        await becomes(operator.page, lambda page: "open-web" in page)
        file = add_a_rule_that_cannot_start(settings)
        page = await becomes(operator.page, lambda page: "Not started" in page)
        table = page.partition('id="services"')[2].partition("</tbody>")[0]
        line = next(row for row in table.split("<tr ") if "ProcessPool spare" in row)
        assert f"--logs {settings.logs}: File exists" in line
        assert "save its document anew" in line
        assert "Not running" in line
        # There is nothing to be configured, and no page that would say less.
        assert "href" not in line
        assert "in trouble" in page
        assert "open-web" in table
        async with operator.http.get(f"{stage.console}services/other") as answer:
            assert answer.status == 404
            assert "other was not started: --logs" in await answer.text()
        file.unlink()
        await becomes(operator.page, lambda page: "ProcessPool spare" not in page)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("width", [1360, 320])
async def test_its_line_can_be_read_by_everybody(
    browser: Browser, tmp_path: Path, store_url: str, width: int
) -> None:
    settings = stage_settings(tmp_path, store_url)
    async with running_stage(settings) as stage, visitor(browser, stage, Role.VIEWER) as page:
        await page.set_viewport_size({"width": width, "height": 800})
        add_a_rule_that_cannot_start(settings)
        line = page.locator("#services tr", has_text="ProcessPool spare")
        await expect(line).to_contain_text("Not started")
        await expect(line).to_contain_text("File exists")
        assert json.dumps((await Axe().run(page)).response["violations"]) == "[]"
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) <= 0
