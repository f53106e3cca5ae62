"""What goes over the wire: little, from the room alone, kept by browsers for good, and nothing that the policy forbids."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, living, open_doors
from tests.waitingroom.pages.browsing import SHUT, crowd, device, shows, state_is
from tests.waitingroom.samples import onsale
from waitingroom.pages import Pages
from waitingroom.pages.assets import FOLDER, Assets

pytestmark = pytest.mark.asyncio(loop_scope="session")
MOST_BYTES = 40_000


async def test_the_whole_page_is_under_40_kb_from_one_host_and_breaks_no_rule(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 50)
        context = await device(browser, permissions=["notifications"])
        page = await context.new_page()
        wire = await context.new_cdp_session(page)
        await wire.send("Network.enable")
        asked: dict[str, str] = {}
        received: dict[str, float] = {}
        streams: set[str] = set()

        def count(event: dict[str, Any]) -> None:
            # A status is asked for again as long as one waits: what counts is one of each.
            address = asked[event["requestId"]]
            if event["requestId"] not in streams:
                received[address] = max(received.get(address, 0), event["encodedDataLength"])

        wire.on(
            "Network.requestWillBeSent",
            lambda event: asked.update({event["requestId"]: event["request"]["url"]}),
        )
        wire.on(
            "Network.responseReceived",
            lambda event: streams.add(event["requestId"]) if event["type"] == "EventSource" else None,
        )
        wire.on("Network.loadingFinished", count)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        await open_doors(client)
        await state_is(page, "waiting")
        # With all that a buyer may ask for.
        await page.get_by_role("button", name="Tell me when it is my turn").click()
        await page.locator("#notified").wait_for()
        await page.locator("#draw summary").click()
        await page.get_by_role("button", name="Check it on this device").click()
        await page.locator("#checked:has-text('Correct')").wait_for()
        assert 5_000 < sum(received.values()) < MOST_BYTES
        assert all(address.startswith(here.room) for address in asked.values())
        assert complaints == []


async def test_compressed_files_leave_room_for_the_page() -> None:
    assets = Pages().assets
    assert sum(assets.size(name) for name in assets.names()) < MOST_BYTES / 2


async def test_our_scripts_are_sent_without_comments_and_a_brands_as_they_are(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as buyer,
        buyer.get(f"{here.room}{Pages().assets.address}/room.js") as answer,
    ):
        text = await answer.text()
    assert text.startswith("import ")
    assert not any(line.lstrip().startswith("//") for line in text.splitlines())
    brand = tmp_path / "brand"
    brand.mkdir()
    (brand / "extra.js").write_text("// Ours.\nexport const extra = 1;\n")
    plain, branded = Assets(), Assets((FOLDER, brand))
    assert branded.size("extra.js") > 0
    assert plain.address != branded.address
    (brand / "extra.js").write_text("// Ours!\nexport const extra = 1;\n")
    assert Assets((FOLDER, brand)).address != branded.address


async def test_files_are_kept_for_good_under_their_own_name_alone(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        address = Pages().assets.address
        for name in Pages().assets.names():
            for encoding in ("gzip", "identity"):
                headers = {"Accept-Encoding": encoding}
                async with buyer.get(f"{here.room}{address}/{name}", headers=headers) as answer:
                    assert answer.status == 200
                    assert "immutable" in answer.headers["Cache-Control"]
                    assert answer.headers.get("Content-Encoding", "identity") == encoding
                    assert await answer.read()
            async with buyer.get(f"{here.room}/static/000000000000/{name}") as answer:
                assert answer.headers["Cache-Control"] == "no-cache"
        for missing in ("nothing.js", "..%2f__init__.py", "%2e%2e/room.js"):
            async with buyer.get(f"{here.room}{address}/{missing}") as answer:
                assert answer.status == 404


async def test_the_policy_allows_nothing_inline_and_no_other_host(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await crowd(client, here, 5)
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert answer.headers["Cache-Control"] == "no-store"
        context = await device(browser)
        page = await context.new_page()
        await page.goto(f"{here.room}/cactus/")
        await shows(page, "number", "6")
        await page.evaluate(
            "() => { const bad = document.createElement('script'); bad.textContent = 'window.hacked = 1';"
            " document.body.append(bad); }"
        )
        assert await page.evaluate("window.hacked ?? 0") == 0
