"""A draw whose beacon was announced: it waits for the value, mixes it with the seed, and says so (P6)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import HTML, Living, living
from tests.waitingroom.samples import KEYRING, onsale
from waitingroom.draw import make_draw, mix_beacon
from waitingroom.drawrecord import DrawnPool, verify_record
from waitingroom.errors import InvalidToken
from waitingroom.keyfiles import load_keyring

SOURCE = "drand round 4711"
VALUE = "9f86d081884c7d65"
SHOP = {"rate": "10/s", "burst": 5, "claimWithin": "30s"}


def sale(opens_in_s: float = 3_600, **spec: Any) -> Any:
    return onsale(opens_in_s=opens_in_s, order="draw", admission=SHOP, **spec)


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def join(buyer: aiohttp.ClientSession, here: Living) -> dict[str, Any]:
    async with buyer.post(f"{here.room}/cactus/join") as answer:
        return dict(await answer.json())


async def get(buyer: aiohttp.ClientSession, here: Living, path: str) -> dict[str, Any]:
    async with buyer.get(f"{here.room}/cactus/{path}") as answer:
        return dict(await answer.json())


async def test_the_draw_waits_for_the_announced_beacon_and_uses_it(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    document = sale(draw={"beacon": SOURCE})
    tokens = token_file(tmp_path)
    async with living(tmp_path, store_url, document, admin_tokens=tokens) as here, here.buyer() as buyer:
        room, office = here.rooms["cactus"], Office(here)
        announced = await get(buyer, here, "draw")
        assert announced["beacon"] == {"source": SOURCE, "value": None}
        assert len(announced["commitment"]) == 64
        assert announced["record"] is None
        status, too_early = await office.post("/admin/v1/onsales/cactus/beacon", {"value": VALUE})
        assert (status, "not opened" in too_early["detail"]) == (409, True)
        number = (await join(buyer, here))["number"]
        await office.act("open")
        await until(lambda: room.snapshot is not None and room.snapshot.awaits_beacon)

        waiting = await get(buyer, here, "status")
        assert (waiting["state"], waiting["position"], waiting["eta_s"]) == ("waiting", None, None)
        assert waiting["eta_reason"]["code"] == "draw_pending"
        assert SOURCE in waiting["eta_reason"]["text"]
        assert waiting["draw"] is None
        _, checks = await office.get("/admin/v1/onsales/cactus/preflight")
        (check,) = [check for check in checks["checks"] if check["name"] == "draw"]
        assert check["result"] == "fail"
        assert "tidegate onsale beacon cactus VALUE" in check["detail"]

        change = await office.act("beacon", value=VALUE)
        assert change["after"] == {"beacon": VALUE}
        await until(lambda: room.snapshot is not None and room.snapshot.draw_record)
        shown = await get(buyer, here, "status")
        record = verify_record(shown["draw"], load_keyring(tmp_path / "keys", ["cactus"]).pass_keys)
        assert record.beacon is not None
        assert (record.beacon.source, record.beacon.value) == (SOURCE, VALUE)
        assert record.commitment == announced["commitment"]
        key = mix_beacon(bytes.fromhex(record.seed), "cactus", SOURCE, VALUE)
        assert shown["position"] == make_draw(key, "cactus", record.size).position(number)
        assert (await get(buyer, here, "draw"))["beacon"] == {"source": SOURCE, "value": VALUE}

        again = await office.act("beacon", value=VALUE)
        assert again["after"] == {}
        status, other = await office.post("/admin/v1/onsales/cactus/beacon", {"value": "another"})
        assert (status, "another value" in other["detail"]) == (409, True)
        _, audit = await office.get("/admin/v1/audit?onsale=cactus")
        assert [entry["what"] for entry in audit["entries"]].count("beacon") == 2


async def test_without_a_beacon_page_and_draw_say_that_the_operator_knew_the_seed(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    tokens = token_file(tmp_path)
    async with living(tmp_path, store_url, sale(), admin_tokens=tokens) as here, here.buyer() as buyer:
        draw = await get(buyer, here, "draw")
        assert draw["beacon"] is None
        assert "operator knew the seed" in draw["note"]
        async with buyer.get(f"{here.room}/cactus/", headers=HTML) as page:
            assert "operator knew the seed" in await page.text()
        status, refused = await Office(here).post("/admin/v1/onsales/cactus/beacon", {"value": VALUE})
        assert (status, "names no beacon" in refused["detail"]) == (409, True)


async def test_a_value_once_given_survives_the_loss_of_the_store(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    tokens = token_file(tmp_path)
    document = sale(draw={"beacon": SOURCE})
    async with living(tmp_path, store_url, document, admin_tokens=tokens) as here, here.buyer() as buyer:
        room, office = here.rooms["cactus"], Office(here)
        await join(buyer, here)
        await office.act("open")
        await until(lambda: room.snapshot is not None and room.snapshot.pool)
        await office.act("beacon", value=VALUE)
        await until(lambda: room.snapshot is not None and room.snapshot.draw_record)
        record = room.snapshot.draw_record if room.snapshot else ""
        position = (await get(buyer, here, "status"))["position"]
        await client.flushall()
        await client.script_flush()
        await until(lambda: room.snapshot is not None and len(room.snapshot.lines) == 2)
        async with asyncio.timeout(30):  # it is put back a turn or two after the new epoch has begun
            while await client.hget("{cactus}:room", "draw") != record:
                await asyncio.sleep(0.01)
        assert (await get(buyer, here, "status"))["position"] == position


def test_a_different_value_gives_a_different_draw() -> None:
    keys = {mix_beacon(bytes(32), "cactus", SOURCE, value) for value in ("a", "b", "ab")}
    keys |= {mix_beacon(bytes(32), "cactus", "drand round 471", "1a"), bytes(32)}
    assert len(keys) == 5


def test_the_documented_vector() -> None:
    key = mix_beacon(bytes(32), "cactus", "drand round 1", "a1b2")
    assert key.hex() == "8c34c468541b45aad08ea5ba5804b038221b087b5548e4512c8245da222ba3c3"
    positions = [make_draw(key, "cactus", 10).position(entry) for entry in range(1, 11)]
    assert positions == [3, 9, 10, 1, 2, 4, 8, 7, 6, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "tidegate draw v1"},
        {"beacon": None},
        {"beacon": {"source": "x"}},
        {"beacon": "x"},
        {"pool": []},
    ],
)
def test_a_record_whose_parts_do_not_fit_is_refused(change: dict[str, Any]) -> None:
    from joserfc import jws

    from waitingroom.signatures import REGISTRY

    fields = {
        "algorithm": "tidegate draw v1 with beacon",
        "onsale": "cactus",
        "pool": [[1, 5]],
        "seed": "00" * 32,
        "beacon": {"source": "x", "value": "y"},
    } | change
    header = {"alg": "EdDSA", "kid": "1"}
    text = jws.serialize_compact(header, json.dumps(fields), KEYRING.pass_keys["1"], registry=REGISTRY)
    with pytest.raises(InvalidToken):
        DrawnPool(verify_record(text, KEYRING.pass_keys))
