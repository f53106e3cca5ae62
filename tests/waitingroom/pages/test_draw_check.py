"""P6: the page recomputes the buyer's position in the browser, and says so where something does not fit."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from playwright.async_api import Browser, Page, Route, expect
from redis.asyncio import Redis

from tests.waitingroom.any_draw import Sought, sought
from tests.waitingroom.living import Living, living, open_doors
from tests.waitingroom.pages.browsing import PATIENCE_MS, SHUT, crowd, open_page, shows, state_is
from tests.waitingroom.samples import KEYRING, onsale
from waitingroom.draw import make_draw, mix_beacon
from waitingroom.drawrecord import sign_record
from waitingroom.passes import public_keys

pytestmark = pytest.mark.asyncio(loop_scope="session")
COMPUTE = """async ([address, record, sizes]) => {
    const { drawKey, position } = await import(address);
    const key = await drawKey(record);
    const found = [];
    for (const [size, entry] of sizes) found.push(await position(key, record.onsale, size, entry));
    return found;
}"""

CHECK = """async ([address, keys, cases]) => {
    const { check } = await import(address);
    const found = [];
    for (const [token, place, fingerprint] of cases) found.push(await check(token, keys, place, fingerprint));
    return found;
}"""


async def module(page: Page) -> str:
    """Return the address of draw.js."""
    src = await page.locator("script[type=module]").get_attribute("src")
    assert src is not None
    return src.replace("room.js", "draw.js")


async def test_the_published_vectors_come_out_in_the_browser(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        page = await open_page(browser, f"{here.room}/cactus/")
        ten = [[10, entry] for entry in range(1, 11)]
        record = {"onsale": "cactus", "seed": "00" * 32}
        assert await page.evaluate(COMPUTE, [await module(page), record, ten]) == [
            3,
            7,
            8,
            6,
            2,
            5,
            4,
            1,
            10,
            9,
        ]
        record["beacon"] = {"source": "drand round 1", "value": "a1b2"}  # type: ignore[assignment]
        assert await page.evaluate(COMPUTE, [await module(page), record, ten]) == [
            3,
            9,
            10,
            1,
            2,
            4,
            8,
            7,
            6,
            5,
        ]


async def test_browser_and_room_draw_alike(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    seed = hashlib.sha256(b"a seed").digest()
    sizes = [
        [1, 1],
        [2, 1],
        [2, 2],
        [17, 5],
        [999, 998],
        [1_000_000, 4711],
        [123_456_789, 98_765_432],
        [10**12, 10**11],
    ]
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        page = await open_page(browser, f"{here.room}/cactus/")
        beacon = {"source": "Ziehung vom 5. Dezember, größte Zahl", "value": "41"}
        for record, key in (
            ({"onsale": "süd", "seed": seed.hex()}, seed),
            (
                {"onsale": "cactus", "seed": seed.hex(), "beacon": beacon},
                mix_beacon(seed, "cactus", beacon["source"], beacon["value"]),
            ),
        ):
            # The room tables whole draws, which for the largest takes too long here.
            wanted = [
                make_draw(key, str(record["onsale"]), size).position(entry)
                for size, entry in sizes
                if size < 10**7
            ]
            found = await page.evaluate(COMPUTE, [await module(page), record, sizes])
            assert found[: len(wanted)] == wanted
            assert all(1 <= position <= size for position, (size, _) in zip(found, sizes, strict=True))


async def test_of_any_draw_browser_and_room_say_the_same(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    cases = some_sought()
    asked, expected = [], []
    for case in cases:
        size, position = case.record.size, case.position
        token, place = sign_record(case.record, KEYRING), {"epoch": case.epoch, "number": case.number}
        right: list[Any] = ["behind", {"size": size}]
        if position is not None:
            right = ["correct", {"size": size, "position": position}]
            asked.append([token, {**place, "position": position + 1}, case.record.commitment])
            expected.append([["wrong_position", {"computed": position, "position": position + 1}]])
        asked.append([token, {**place, "position": position}, case.record.commitment])
        expected.append([right, ["signed", {}]])
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        page = await open_page(browser, f"{here.room}/cactus/")
        keys = public_keys(KEYRING).as_dict(private=False)["keys"]
        found = await page.evaluate(CHECK, [await module(page), keys, asked])
    for case, told, wanted in zip(asked, found, expected, strict=True):
        assert told == wanted, case


def some_sought() -> list[Sought]:
    """Have hypothesis think of draws: the browser looks at all of them in one call."""
    found: list[Sought] = []

    @settings(
        max_examples=200, database=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
    )
    @given(sought())
    def keep(one: Sought) -> None:
        found.append(one)

    keep()
    return found


async def drawn(browser: Browser, here: Living, client: Redis) -> Page:
    """Wait before the opening, and see the draw."""
    await crowd(client, here, 20)
    page = await open_page(browser, f"{here.room}/cactus/")
    await state_is(page, "prequeue")
    fingerprint = here.rooms["cactus"].commitment
    await shows(page, "fingerprint", fingerprint)
    await page.locator("#draw summary").click()
    await page.get_by_role("button", name="Check it on this device").click()
    await expect(page.locator("#checked")).to_contain_text("has not been made yet", timeout=PATIENCE_MS)
    await open_doors(client)
    await state_is(page, "waiting")
    await position_of(page)
    return page


async def position_of(page: Page) -> None:
    """Wait for the drawn position."""
    await expect(page.locator("#position")).not_to_have_text("known at the opening", timeout=PATIENCE_MS)
    await expect(page.locator("#position")).not_to_have_text("not known yet", timeout=PATIENCE_MS)


async def test_a_buyer_checks_the_own_place(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        page = await drawn(browser, here, client)
        position = await page.locator("#position").inner_text()
        # Asked for before the opening, and answered now without being asked for again.
        await expect(page.locator("#checked")).to_contain_text("you were drawn", timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Check it on this device").click()
        await expect(page.locator("#checked")).to_contain_text(
            f"among 21 who took part, you were drawn to position {position}.", timeout=PATIENCE_MS
        )
        await expect(page.locator("#checked")).to_contain_text("signed by this waiting room")
        late = await open_page(browser, f"{here.room}/cactus/")
        await state_is(late, "waiting")
        await late.locator("#draw summary").click()
        await late.get_by_role("button", name="Check it on this device").click()
        await expect(late.locator("#checked")).to_contain_text(
            "behind the 21 who took part", timeout=PATIENCE_MS
        )
        # A seed announced afresh, a position that was not drawn, another's signature: each is told.
        await page.evaluate("localStorage.setItem('tidegate-seed-cactus', '00')")
        await page.get_by_role("button", name="Check it on this device").click()
        await expect(page.locator("#checked")).to_contain_text(
            "fit the fingerprint which was announced", timeout=PATIENCE_MS
        )


async def test_a_position_that_the_page_has_not_heard_of_is_not_called_wrong(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 20)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        cut = True

        async def cut_off(route: Route) -> None:
            await (route.abort() if cut else route.continue_())

        await page.route("**/cactus/events*", cut_off)
        await page.route("**/cactus/status", cut_off)
        await page.reload()
        await open_doors(client)
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not here.rooms["cactus"].snapshot.draw_record:  # type: ignore[union-attr]
                await asyncio.sleep(0.05)
        await state_is(page, "prequeue")
        await page.locator("#draw summary").click()
        cut = False
        await page.get_by_role("button", name="Check it on this device").click()
        await expect(page.locator("#checked")).to_contain_text("Correct.", timeout=PATIENCE_MS)


async def test_a_false_record_is_found_out(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens_in_s=3_600, order="draw", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        page = await drawn(browser, here, client)
        found = here.rooms["cactus"].snapshot
        assert found is not None
        results = await page.evaluate(
            """async ([address, token, fingerprint, epoch]) => {
                const { check } = await import(address);
                const { keys } = await (await fetch("/.well-known/jwks.json")).json();
                const place = { epoch, number: 21, position: 22 };
                const [head, payload, signature] = token.split(".");
                const other = btoa(atob(payload).replace("cactus", "cactuz")).replace(/=/g, "");
                return [
                    await check(token, keys, place, fingerprint),
                    await check(`${head}.${other}.${signature}`, keys, place, fingerprint),
                    await check(token, [], place, fingerprint),
                ];
            }""",
            [await module(page), found.draw_record, here.rooms["cactus"].commitment, found.epoch],
        )
        assert [result[0][0] for result in results] == [
            "wrong_position",
            "wrong_signature",
            "wrong_signature",
        ]
