"""A presale over real HTTP: who brings the shop's token gets one place, and nobody else gets any."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.living import HTML, Living, living
from tests.waitingroom.samples import onsale
from tests.waitingroom.shopkeys import Shop, presale
from waitingroom.errors import ENTRY_REASONS, ConfigurationError

SHUT = {"rate": "0.001/s", "burst": 1, "claimWithin": "30s"}
FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
SHOP = Shop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SHOP.write(tmp_path)
    return tmp_path


async def join(buyer: aiohttp.ClientSession, here: Living, token: str, **more: Any) -> dict[str, Any]:
    async with buyer.post(f"{here.room}/cactus/join", json={"token": token, **more}) as answer:
        return dict(await answer.json()) | {"http": answer.status}


async def tail(buyer: aiohttp.ClientSession, here: Living) -> int:
    await here.rooms["cactus"].refresh()
    async with buyer.get(f"{here.room}/cactus/state") as answer:
        return int((await answer.json())["tail"])


async def test_the_invited_join_by_the_link_and_the_token_leaves_the_address(
    folder: Path, store_url: str, client: Redis
) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        link = f"{here.room}/cactus/"
        parameters = {"token": SHOP.invite("member-7"), "return": "/cactus/seats"}
        async with buyer.get(link, params=parameters, headers=HTML, allow_redirects=False) as first:
            assert first.status == 303
            assert first.headers["Location"] == "/cactus/?return=/cactus/seats"
            assert first.headers["Cache-Control"] == "no-store"
            (kept,) = first.headers.getall("Set-Cookie")
        assert kept.startswith("tidegate_entry=ey")
        assert "HttpOnly; SameSite=Lax" in kept
        assert "Path=/cactus;" in kept
        async with buyer.get(link, headers=HTML) as page:
            text = await page.text()
        assert 'data-state="outside"' in text
        async with buyer.post(f"{here.room}/cactus/join", headers=HTML) as page:
            text = await page.text()
        assert page.url.path == "/cactus/"
        assert '<dd id="number">1</dd>' in text
        assert "tidegate_entry" not in {cookie.key for cookie in buyer.cookie_jar}
        async with buyer.get(f"{here.room}/cactus/status") as status:
            assert (await status.json())["number"] == 1
        # The link once more: the place is there already.
        async with buyer.get(link, params=parameters, headers=HTML) as page:
            assert '<dd id="number">1</dd>' in await page.text()


async def test_apps_join_by_bearer_token_or_body(folder: Path, store_url: str, client: Redis) -> None:
    async with (
        living(folder, store_url, presale(admission=SHUT)) as here,
        here.buyer() as one,
        here.buyer() as other,
    ):
        bearer = {"Authorization": f"Bearer {SHOP.invite('ann', 'ES256')}"}
        async with one.post(f"{here.room}/cactus/join", headers=bearer) as answer:
            assert (answer.status, (await answer.json())["number"]) == (200, 1)
        assert (await join(other, here, SHOP.invite("bob", "RS256")))["number"] == 2


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(None, "missing", id="no token"),
        pytest.param("", "missing", id="an empty one"),
        pytest.param("nonsense", "malformed", id="nonsense"),
        pytest.param(SHOP.invite("m", exp=1_700_000_000), "expired", id="expired"),
        pytest.param(SHOP.invite("m", aud="tulip"), "audience", id="another onsale's"),
        pytest.param(Shop().invite("m"), "signature", id="another shop's"),
        pytest.param(SHOP.invite("m", kid="old"), "unknown_key", id="an unknown key's"),
        pytest.param("eyJhbGciOiJub25lIn0.e30.", "malformed", id="unsigned"),
    ],
)
async def test_a_refused_token_takes_no_number_and_is_told_why(
    folder: Path, store_url: str, client: Redis, token: str | None, reason: str
) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        body = {} if token is None else {"token": token}
        async with buyer.post(f"{here.room}/cactus/join", json=body) as answer:
            assert answer.status == 401
            assert answer.content_type == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="tidegate"')
            problem = await answer.json()
            assert (problem["reason"], problem["status"]) == (reason, 401)
            assert len(problem["detail"]) > 30
            assert "Set-Cookie" not in answer.headers
        parameters = {} if token is None else {"token": token}
        async with buyer.get(f"{here.room}/cactus/", params=parameters, headers=HTML) as page:
            text = await page.text()
        assert "token" not in str(page.url)
        assert 'data-state="uninvited"' in text
        if token:
            assert problem["detail"] in text
        assert 'id="join"' not in text
        async with buyer.post(f"{here.room}/cactus/join", headers=HTML) as page:
            assert (page.status, page.content_type) == (401, "text/html")
        assert await tail(buyer, here) == 0
        async with buyer.get(f"{here.room}/metrics") as metrics:
            refused = dict(
                re.findall(
                    r'entry_refused_total\{onsale="cactus",reason="(\w+)"\} (\d+)', await metrics.text()
                )
            )
        # All begin at 0: Prometheus takes no notice of how a series comes to be.
        assert set(refused) == set(ENTRY_REASONS)
        assert int(refused[reason]) > 0


async def test_one_account_gets_one_place_however_often_and_wherever_it_joins(
    folder: Path, store_url: str, client: Redis
) -> None:
    """Two processes, ten devices, all at once: one number, one holder."""
    sale = presale(admission=SHUT)
    async with living(folder, store_url, sale) as here, living(folder, store_url, sale) as there:
        buyers = [here.buyer() for _ in range(10)]
        try:
            answers = await asyncio.gather(
                *(
                    join(buyer, process, SHOP.invite("member-7"))
                    for buyer in buyers
                    for process in (here, there)
                )
            )
            given = [answer for answer in answers if answer["http"] == 200]
            refused = [answer for answer in answers if answer["http"] != 200]
            assert {(answer["number"], answer["epoch"]) for answer in given} == {(1, given[0]["epoch"])}
            assert {(answer["http"], answer["reason"]) for answer in refused} == {(409, "held")}
            assert await tail(buyers[0], here) == 1
            again = await asyncio.gather(*(join(buyer, here, SHOP.invite("member-7")) for buyer in buyers))
            assert sorted({answer["http"] for answer in again}) == [200, 409]
            assert (await join(buyers[0], there, SHOP.invite("member-8")))["http"] in {200, 409}
            assert await tail(buyers[0], there) <= 2
        finally:
            for buyer in buyers:
                await buyer.close()


async def test_a_lost_answer_costs_no_place(folder: Path, store_url: str, client: Redis) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert page.status == 200
        token = SHOP.invite("member-7")
        tabs = await asyncio.gather(*(join(buyer, here, token) for _ in range(5)))
        buyer.cookie_jar.clear(lambda cookie: cookie.key == "tidegate_place")
        assert {tab["number"] for tab in [*tabs, await join(buyer, here, token)]} == {1}
        assert await tail(buyer, here) == 1


async def test_another_device_of_the_account_takes_the_place_only_when_asked_to(
    folder: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(folder, store_url, presale(admission=SHUT)) as here,
        here.buyer() as phone,
        here.buyer() as laptop,
    ):
        token = SHOP.invite("member-7")
        first = await join(phone, here, token)
        held = await join(laptop, here, token)
        assert (held["http"], held["reason"]) == (409, "held")
        async with phone.get(f"{here.room}/cactus/status") as status:
            assert status.status == 200
        async with laptop.get(f"{here.room}/cactus/", params={"token": token}, headers=HTML) as page:
            assert page.status == 200
        async with laptop.post(f"{here.room}/cactus/join", headers=HTML) as page:
            assert page.status == 409
            assert 'action="/cactus/join?move=1"' in await page.text()
        async with laptop.post(f"{here.room}/cactus/join?move=1", headers=HTML) as page:
            assert f'<dd id="number">{first["number"]}</dd>' in await page.text()
        await here.rooms["cactus"].refresh()
        async with phone.get(f"{here.room}/cactus/status") as status:
            assert (status.status, (await status.json())["reason"]) == (410, "moved")
        async with phone.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert 'data-state="moved"' in await page.text()
        assert (await join(phone, here, token))["reason"] == "held"
        assert await tail(phone, here) == 1


async def test_only_tags_of_accounts_and_devices_reach_the_store(
    folder: Path, store_url: str, client: Redis
) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        await join(buyer, here, SHOP.invite("ann@example.org"))
        (device,) = (cookie.value for cookie in buyer.cookie_jar if cookie.key == "tidegate_device")
        kept = {key: await client.dump(key) async for key in client.scan_iter("{cactus}:accounts")}
        assert kept
        everything = json.dumps(await client.hgetall("{cactus}:accounts"))
        assert "example.org" not in everything
        assert device not in everything


async def test_walk_ins_of_a_members_shop_need_a_token_too(
    folder: Path, store_url: str, client: Redis
) -> None:
    async with living(folder, store_url, presale(admission=FAST)) as here, here.buyer() as buyer:
        room = here.rooms["cactus"]
        async with asyncio.timeout(20):
            while not room.walk_in_now:
                await asyncio.sleep(0.01)
        async with buyer.get(f"{here.room}/cactus/", headers=HTML, allow_redirects=False) as page:
            assert page.status == 200
            assert 'data-state="uninvited"' in await page.text()
        assert await tail(buyer, here) == 0
        link = {"token": SHOP.invite("member-7")}
        async with buyer.get(
            f"{here.room}/cactus/", params=link, headers=HTML, allow_redirects=False
        ) as first:
            assert first.status == 303
        async with buyer.get(f"{here.room}/cactus/", headers=HTML, allow_redirects=False) as second:
            assert second.headers["Location"].startswith("https://shop.example.org/.tidegate/enter?code=")
        async with buyer.get(f"{here.gate}/seats") as allowed:
            assert allowed.status == 200
        async with here.buyer() as thief:
            stolen = await join(thief, here, SHOP.invite("member-7"), move=True)
            assert (stolen["http"], stolen["reason"]) == (409, "entered")


async def test_a_document_whose_keys_cannot_be_read_does_not_open(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    with pytest.raises(ConfigurationError, match=r"entry keys .*shop.jwks.json: No such file"):
        async with living(tmp_path, store_url, presale()):
            pass
    (tmp_path / "onsales" / "shop.jwks.json").write_text('{"keys": []}')
    with pytest.raises(ConfigurationError, match="holds no public key"):
        async with living(tmp_path, store_url, presale()):
            pass


async def test_an_open_onsale_takes_no_notice_of_tokens(folder: Path, store_url: str, client: Redis) -> None:
    async with living(folder, store_url, onsale(admission=SHUT)) as here, here.buyer() as buyer:
        async with buyer.get(f"{here.room}/cactus/", params={"token": "x"}, headers=HTML) as page:
            assert 'data-state="outside"' in await page.text()
        assert (await join(buyer, here, "nonsense"))["number"] == 1


async def test_a_malformed_join_takes_no_number(folder: Path, store_url: str, client: Redis) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        for body in ("[]", "{", '{"token": 7}', '{"tokken": "x"}', '{"move": "yes"}'):
            headers = {"Content-Type": "application/json"}
            async with buyer.post(f"{here.room}/cactus/join", data=body, headers=headers) as answer:
                assert (answer.status, answer.content_type) == (422, "application/problem+json")
        assert await tail(buyer, here) == 0


async def test_a_page_of_the_shop_may_send_its_members_token(
    folder: Path, store_url: str, client: Redis
) -> None:
    async with living(folder, store_url, presale(admission=SHUT)) as here, here.buyer() as buyer:
        asked = {"Origin": "https://shop.example.org", "Access-Control-Request-Method": "POST"}
        async with buyer.options(f"{here.room}/cactus/join", headers=asked) as answer:
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers["Access-Control-Allow-Origin"] == asked["Origin"]
