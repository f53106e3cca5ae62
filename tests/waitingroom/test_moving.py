"""Moving a place to another device over real HTTP: one live holder, whoever asks, and nothing is lost on the way."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, JSON, Living, living
from tests.waitingroom.samples import onsale
from waitingroom.errors import MoveRefused, StoreUnavailable
from waitingroom.tags import CODE_LETTERS
from waitingroom.web.moving import WRONG_BURST

SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "30s"}
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "60s"}
OPENED = 1.5


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no time pass in which a try comes back."""
    monkeypatch.setattr("waitingroom.web.limits.time", SimpleNamespace(monotonic=lambda: 1_000.0))


async def post(buyer: aiohttp.ClientSession, here: Living, path: str, **body: Any) -> dict[str, Any]:
    async with buyer.post(f"{here.room}/cactus/{path}", json=body or None) as answer:
        return dict(await answer.json()) | {"http": answer.status}


async def status(buyer: aiohttp.ClientSession, here: Living) -> dict[str, Any]:
    async with buyer.get(f"{here.room}/cactus/status") as answer:
        return dict(await answer.json()) | {"http": answer.status}


async def visit(buyer: aiohttp.ClientSession, here: Living) -> str:
    async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
        assert page.status == 200
        return await page.text()


async def until_released(buyer: aiohttp.ClientSession, here: Living) -> None:
    async with asyncio.timeout(30):
        while (await status(buyer, here))["state"] != "released":
            await asyncio.sleep(0.02)


async def test_a_code_moves_the_place_and_the_old_device_is_told(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as phone,
        here.buyer() as laptop,
    ):
        place = await post(phone, here, "join")
        issued = await post(phone, here, "code")
        assert (issued["http"], issued["onsale"], issued["expires_in"]) == (200, "cactus", 600)
        assert re.fullmatch(rf"[{CODE_LETTERS}]{{5}}-[{CODE_LETTERS}]{{5}}", issued["code"])
        await visit(laptop, here)
        moved = await post(laptop, here, "move", code=issued["code"].lower().replace("-", " "))
        assert (moved["http"], moved["number"], moved["epoch"]) == (200, place["number"], place["epoch"])
        assert (await status(laptop, here))["number"] == place["number"]
        await here.rooms["cactus"].refresh()
        told = await status(phone, here)
        assert (told["http"], told["reason"]) == (410, "moved")
        assert 'data-state="moved"' in await visit(phone, here)
        # Who lost the place may join anew, at the end.
        assert (await post(phone, here, "join"))["number"] == place["number"] + 1
        assert (await status(laptop, here))["number"] == place["number"]


async def test_only_the_new_device_enters_and_again_it_is_the_same_session(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(opens_in_s=OPENED, admission=FAST)
    async with (
        living(tmp_path, store_url, sale) as here,
        living(tmp_path, store_url, sale, refresh_every_s=300.0) as elsewhere,
        here.buyer() as phone,
        here.buyer() as laptop,
    ):
        await post(phone, here, "join")
        code = (await post(phone, here, "code"))["code"]
        await visit(laptop, here)
        await post(laptop, here, "move", code=code)
        await until_released(laptop, here)
        await elsewhere.rooms["cactus"].refresh()
        # A process that has not heard of the move asks the store at the claim, and knows from then on.
        elsewhere.rooms["cactus"]._store.moves._moved.clear()
        assert (await status(phone, elsewhere))["http"] == 200
        refused = await post(phone, elsewhere, "enter")
        assert (refused["http"], refused["reason"]) == (410, "moved")
        assert (await status(phone, elsewhere))["http"] == 410
        entered = await post(laptop, here, "enter")
        again = await post(laptop, elsewhere, "enter")
        assert entered["http"] == again["http"] == 200
        assert entered["session"] == again["session"]
        assert (await post(phone, here, "enter"))["http"] == 410
        async with laptop.get(f"{here.gate}/seats") as allowed:
            assert allowed.status == 200
        late = await post(laptop, here, "code")
        assert (late["http"], late["reason"]) == (409, "entered")


async def test_a_code_is_good_for_one_device_and_a_lost_answer_loses_nothing(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as phone,
        here.buyer() as laptop,
        here.buyer() as stranger,
    ):
        place = await post(phone, here, "join")
        code = (await post(phone, here, "code"))["code"]
        await visit(laptop, here)
        for _ in range(2):
            assert (await post(laptop, here, "move", code=code))["number"] == place["number"]
            laptop.cookie_jar.clear(lambda cookie: cookie.key == "tidegate_place")
        assert (await post(laptop, here, "move", code=code))["number"] == place["number"]
        refused = await post(stranger, here, "move", code=code)
        assert (refused["http"], refused["reason"]) == (403, "code")
        assert (await status(laptop, here))["number"] == place["number"]


async def test_a_new_code_replaces_the_old_one(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as phone,
        here.buyer() as laptop,
    ):
        await post(phone, here, "join")
        first, second = [(await post(phone, here, "code"))["code"] for _ in range(2)]
        assert (await post(laptop, here, "move", code=first))["reason"] == "code"
        assert (await post(laptop, here, "move", code=second))["http"] == 200


@pytest.mark.parametrize(
    "code", ["", "AAAAA-AAAAA", "0OIL1-UUUUU", "22222-2222", "é" * 10, "2" * 60, "\x00" * 10]
)
async def test_a_wrong_code_moves_nothing(tmp_path: Path, store_url: str, client: Redis, code: str) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        own = await post(buyer, here, "join")
        refused = await post(buyer, here, "move", code=code)
        assert (refused["http"], refused["reason"]) == (403, "code")
        assert (await status(buyer, here))["number"] == own["number"]


async def test_without_the_device_that_holds_it_there_is_no_code(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as buyer,
        aiohttp.ClientSession(headers=JSON) as thief,
    ):
        token = (await post(buyer, here, "join"))["place"]
        for cookies in (
            {},
            {"tidegate_place": token},
            {"tidegate_place": token, "tidegate_device": "x" * 22},
        ):
            async with thief.post(f"{here.room}/cactus/code", cookies=cookies) as answer:
                assert answer.status == 404


@pytest.mark.usefixtures("timeless")
async def test_tries_are_limited_for_each_client(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await post(buyer, here, "join")
        code = (await post(buyer, here, "code"))["code"]
        guesser = {"X-Forwarded-For": "198.51.100.7"}
        statuses = []
        for attempt in range(12):
            guess = {"code": code if attempt == 11 else f"22222-2222{CODE_LETTERS[attempt]}"}
            async with buyer.post(f"{here.room}/cactus/move", json=guess, headers=guesser) as answer:
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
        assert statuses == [403] * 10 + [429] * 2
        assert (await post(buyer, here, "move", code=code))["http"] == 200
        wanted = {"X-Forwarded-For": "198.51.100.8"}
        statuses = []
        for _ in range(21):
            async with buyer.post(f"{here.room}/cactus/code", headers=wanted) as answer:
                statuses.append(answer.status)
        assert statuses == [200] * 20 + [429]


@pytest.mark.usefixtures("timeless")
async def test_many_tries_at_once_are_counted_before_they_are_looked_up(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        guesser = {"X-Forwarded-For": "198.51.100.7"}

        async def guess() -> int:
            sent = {"code": "22222-22222"}
            async with buyer.post(f"{here.room}/cactus/move", json=sent, headers=guesser) as answer:
                return answer.status

        statuses = await asyncio.gather(*(guess() for _ in range(4 * WRONG_BURST)))
        assert statuses.count(403) <= WRONG_BURST
        assert statuses.count(429) >= 3 * WRONG_BURST
        assert int(await client.hget("{cactus}:room", "wrong_codes") or 0) <= WRONG_BURST


async def test_what_was_no_wrong_code_costs_no_try(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await post(buyer, here, "join")
        code = (await post(buyer, here, "code"))["code"]
        own = {"X-Forwarded-For": "198.51.100.7"}

        async def tries() -> set[int]:
            found = set()
            for _ in range(WRONG_BURST + 2):
                sent = {"code": code}
                async with buyer.post(f"{here.room}/cactus/move", json=sent, headers=own) as answer:
                    found.add(answer.status)
            return found

        assert await tries() == {200}
        for error, status in ((StoreUnavailable("away"), 503), (MoveRefused("entered"), 409)):

            async def refuse(*_: str, error: Exception = error) -> None:
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(here.rooms["cactus"], "redeem_code", refuse)
                assert await tries() == {status}
        assert await tries() == {200}


async def test_tries_are_limited_for_the_whole_onsale(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await post(buyer, here, "join")
        code = (await post(buyer, here, "code"))["code"]
        while True:
            await post(buyer, here, "move", code="22222-22222")
            minute = await client.hget("{cactus}:room", "wrong_codes_minute")
            await client.hset("{cactus}:room", "wrong_codes", "300")
            busy = await post(buyer, here, "move", code=code)
            # Unless the minute was over in between: in the next one they begin anew.
            if await client.hget("{cactus}:room", "wrong_codes_minute") == minute:
                break
        assert (busy["http"], busy["reason"]) == (429, "busy")
        await client.hincrby("{cactus}:room", "wrong_codes_minute", -1)
        assert (await post(buyer, here, "move", code=code))["http"] == 200


async def test_the_pages_move_a_place_without_javascript(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as phone,
        here.buyer() as laptop,
    ):
        async with phone.post(f"{here.room}/cactus/join", headers=HTML) as page:
            assert 'action="/cactus/code"' in await page.text()
        async with phone.post(f"{here.room}/cactus/code", headers=HTML) as page:
            assert page.headers["Cache-Control"] == "no-store"
            found = re.search(r'<output id="code">(\S+)</output>', await page.text())
        assert found
        assert 'action="/cactus/move"' in await visit(laptop, here)
        async with laptop.post(f"{here.room}/cactus/move", data={"code": "wrong"}, headers=HTML) as page:
            text = await page.text()
            assert (page.status, page.content_type) == (403, "text/html")
        assert "There is no such code" in text
        assert 'action="/cactus/move"' in text
        async with laptop.post(f"{here.room}/cactus/move", data={"code": found[1]}, headers=HTML) as page:
            assert page.url.path == "/cactus/"
            assert '<dd id="number">1</dd>' in await page.text()


async def test_another_site_can_neither_move_a_place_nor_replace_one(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    """A form on another site reaches us without the buyer's cookies; our answer would overwrite them."""
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as thief,
        aiohttp.ClientSession() as victim,
    ):
        await post(thief, here, "join")
        code = (await post(thief, here, "code"))["code"]
        forged = {**HTML, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.org"}
        for path, data in (("move", {"code": code}), ("code", None)):
            async with victim.post(
                f"{here.room}/cactus/{path}", data=data, headers=forged, allow_redirects=False
            ) as answer:
                assert answer.status == 403
                assert "Set-Cookie" not in answer.headers
        async with victim.post(f"{here.room}/cactus/join", headers=forged, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/cactus/")
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://blog.example.org", 403), ("null", 403), ("https://shop.example.org", 200)],
)
async def test_of_the_neighbours_under_a_domain_only_the_shop_moves_places(
    tmp_path: Path, store_url: str, client: Redis, origin: str, status: int
) -> None:
    """A neighbour's form brings the buyer's cookies along; the place of its own code would overwrite theirs."""
    async with (
        living(tmp_path, store_url, onsale(admission=SHUT)) as here,
        here.buyer() as thief,
        here.buyer() as victim,
    ):
        await post(thief, here, "join")
        number = (await post(victim, here, "join"))["number"]
        code = (await post(thief, here, "code"))["code"]
        told = {"Sec-Fetch-Site": "same-site", "Origin": origin}
        for path, data in (("code", None), ("move", {"code": code})):
            async with victim.post(f"{here.room}/cactus/{path}", json=data, headers=told) as answer:
                assert answer.status == status
        async with victim.get(f"{here.room}/cactus/status") as answer:
            assert ((await answer.json())["number"] == number) == (status == 403)


async def test_codes_are_kept_as_tags(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        await post(buyer, here, "join")
        code = (await post(buyer, here, "code"))["code"]
        keys = [key async for key in client.scan_iter("{cactus}:codes:*")]
        assert len(keys) == 1
        kept = str(await client.hgetall(keys[0]))
        assert code not in kept
        assert code.replace("-", "") not in kept
        assert 0 < await client.pttl(keys[0]) <= 1_200_000
