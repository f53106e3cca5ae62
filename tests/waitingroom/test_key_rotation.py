"""Keys change under a running room: the old ones verify, the new ones sign once everybody has had time to read them."""

import asyncio
import base64
import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from redis.asyncio import Redis
from structlog.testing import capture_logs
from yarl import URL

from rulebook import Onsale
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from waitingroom import keyfiles
from waitingroom.keyfiles import SIGNS_AFTER_S

SALE = onsale(
    shop="http://127.0.0.1:3000/cactus", admission={"rate": "200/s", "burst": 50, "claimWithin": "5m"}
)


def add_keys(folder: Path, kid: str) -> list[Path]:
    place, admission = folder / f"place.{kid}.key", folder / f"pass.{kid}.jwk"
    place.write_bytes(base64.b64encode(kid.encode() * 32))
    admission.write_text(json.dumps(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)))
    return [place, admission]


def let_age(files: list[Path]) -> None:
    for file in files:
        long_ago = time.time() - SIGNS_AFTER_S - 1
        os.utime(file, (long_ago, long_ago))


def place_kid(token: str) -> str:
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    length = int.from_bytes(raw[1:3], "big")
    return raw[3 : 3 + length].decode()


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0.05)


async def join(buyer: aiohttp.ClientSession, here: Living) -> str:
    async with buyer.post(f"{here.room}/cactus/join") as answer:
        assert answer.status == 200
        return str((await answer.json())["place"])


async def enter(buyer: aiohttp.ClientSession, here: Living) -> str:
    """Enter the shop; returns the pass."""
    async with asyncio.timeout(30):
        while True:
            async with buyer.post(f"{here.room}/cactus/enter") as answer:
                if answer.status == 200:
                    return buyer.cookie_jar.filter_cookies(URL(here.room))["tidegate_pass_cactus"].value
            await asyncio.sleep(0.05)


async def shop_status(buyer: aiohttp.ClientSession, here: Living) -> int:
    async with buyer.get(f"{here.gate}/seats") as answer:
        return answer.status


async def published(buyer: aiohttp.ClientSession, here: Living) -> set[str]:
    async with buyer.get(f"{here.room}/.well-known/jwks.json") as answer:
        return {key["kid"] for key in (await answer.json())["keys"]}


async def test_a_new_key_is_known_at_once_and_signs_when_all_have_read_it(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with (
        living(tmp_path, store_url, SALE) as here,
        here.buyer() as early,
        here.buyer() as between,
        here.buyer() as late,
    ):
        room = here.rooms["cactus"]
        first = await join(early, here)
        old_pass = await enter(early, here)
        files = add_keys(tmp_path / "keys", "2")
        keyring = room._keyring
        await until(lambda: set(keyring.place_keys) == set(keyring.pass_keys) == {"1", "2"})
        assert await published(early, here) == {"1", "2"}
        assert place_kid(await join(between, here)) == "1"
        let_age(files)
        await until(lambda: (keyring.signing_place_kid, keyring.signing_pass_kid) == ("2", "2"))
        assert place_kid(await join(late, here)) == "2"
        new_pass = await enter(late, here)
        assert [jws.extract_compact(token.encode()).headers()["kid"] for token in (old_pass, new_pass)] == [
            "1",
            "2",
        ]
        assert await join(early, here) == first
        assert await shop_status(early, here) == await shop_status(late, here) == 200


async def test_a_key_that_was_taken_away_verifies_nothing_any_more(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, SALE) as here, here.buyer() as early, here.buyer() as late:
        keyring = here.rooms["cactus"]._keyring
        await join(early, here)
        await enter(early, here)
        assert await shop_status(early, here) == 200
        let_age(add_keys(tmp_path / "keys", "2"))
        await until(lambda: keyring.signing_pass_kid == "2")
        for name in ("place.1.key", "pass.1.jwk"):
            (tmp_path / "keys" / name).unlink()
        await until(lambda: set(keyring.place_keys) == set(keyring.pass_keys) == {"2"})
        async with early.get(f"{here.room}/cactus/status") as answer:
            assert answer.status == 404
        assert await shop_status(early, here) == 429
        await join(late, here)
        await enter(late, here)
        assert await shop_status(late, here) == 200


async def test_a_broken_key_changes_nothing(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, SALE) as here, here.buyer() as buyer:
        keyring = here.rooms["cactus"]._keyring
        first = await join(buyer, here)
        with capture_logs() as logs:
            (tmp_path / "keys" / "place.2.key").write_text("not base64!")
            let_age(add_keys(tmp_path / "keys", "3"))
            await until(lambda: any(entry["event"] == "reload_refused" for entry in logs))
        refused = [entry["reason"] for entry in logs if entry["event"] == "reload_refused"]
        assert refused[0] == f"key file {tmp_path / 'keys' / 'place.2.key'}: not base64"
        assert await join(buyer, here) == first
        assert set(keyring.place_keys) == {"1"}
        (tmp_path / "keys" / "place.2.key").unlink()
        await until(lambda: set(keyring.place_keys) == {"1", "3"})
        assert await join(buyer, here) == first


async def test_where_keys_cannot_be_written_only_an_onsale_that_draws_asks_for_one(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(sale: Onsale) -> None:
        fields = sale.model_dump(mode="json", by_alias=True, exclude_none=True)
        draft = tmp_path / f"{sale.name}.draft"
        draft.write_text(json.dumps(fields))
        draft.replace(tmp_path / "onsales" / f"{sale.name}.yaml")  # whole, whenever it is read

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    async with living(tmp_path, store_url, SALE) as here:
        monkeypatch.setattr(keyfiles, "_write_new", refuse)
        put(onsale("tulip", protect=[{"path": "/tulip"}]))
        await until(lambda: "tulip" in here.rooms)
        with capture_logs() as logs:
            put(onsale("merch", opens_in_s=60, order="draw", protect=[{"path": "/merch"}]))
            await until(lambda: any(entry["event"] == "reload_refused" for entry in logs))
        reason = next(entry["reason"] for entry in logs if entry["event"] == "reload_refused")
        assert (
            "draw.merch.seed, the seed of the draw of onsale merch, is missing and cannot be made" in reason
        )
        assert "(Permission denied): run `tidegate queue keys`" in reason
        assert set(here.rooms) == {"cactus", "tulip"}
