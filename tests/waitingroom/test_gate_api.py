"""What a shop's middleware asks the room for: exchanges, renewals, ends; a code or a pass is its own proof, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.gates import admission, cookies
from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.samples import device, onsale
from waitingroom.keyfiles import load_keyring
from waitingroom.keyring import Keyring
from waitingroom.passes import Pass, device_hash, sign_pass, verify_pass
from waitingroom.web.gate_api import MAX_PASSES
from waitingroom.web.openapi import openapi_document

FAST = {"rate": "200/s", "burst": 50, "claimWithin": "30s"}
CACTUS = onsale(admission=FAST)
TULIP = onsale("tulip", admission=FAST, protect=[{"path": "/tulip"}])
DEVICE = device_hash(device(7))


@pytest.fixture
async def here(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Living]:
    async with living(tmp_path, store_url, CACTUS, TULIP, admin_tokens=token_file(tmp_path)) as up:
        yield up


@pytest.fixture
def keyring(here: Living, tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path / "keys", [], create=False)


async def post(here: Living, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{here.room}/gate/{path}", data=data, headers=JSON) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def code_of(here: Living, buyer: aiohttp.ClientSession) -> str:
    await buyer.post(f"{here.room}/cactus/join")
    async with asyncio.timeout(20):
        while True:
            async with buyer.post(f"{here.room}/cactus/enter") as entered:
                if entered.status == 200:
                    return str((await entered.json())["location"]).partition("code=")[2]
            await asyncio.sleep(0.02)


async def admitted(here: Living, keyring: Keyring) -> tuple[str, Pass]:
    """Return the pass of a buyer who has come in, signed and read."""
    async with here.buyer() as buyer:
        _, got = await post(here, "exchange", {"code": await code_of(here, buyer), "device": DEVICE})
    return got["pass"], verify_pass(got["pass"], "cactus", keyring)


async def test_a_code_is_exchanged_once_for_a_pass_of_the_device(here: Living, keyring: Keyring) -> None:
    async with here.buyer() as buyer:
        code = await code_of(here, buyer)
    status, got = await post(here, "exchange", {"code": code, "device": DEVICE})
    assert (status, got["onsale"], got["location"]) == (200, "cactus", CACTUS.spec.shop)
    described = openapi_document()["components"]["schemas"]["Exchanged"]["properties"]
    assert set(described) == set(got) == {"onsale", "session", "pass", "ends", "location"}
    admission = verify_pass(got["pass"], "cactus", keyring)
    assert (admission.device, admission.session) == (DEVICE, got["session"])
    assert admission.ends_at_s == got["ends"]
    status, refused = await post(here, "exchange", {"code": code, "device": DEVICE})
    assert (status, refused["reason"]) == (410, "unknown")


@pytest.mark.parametrize(
    "code", ["", "cactus", "cactus." + "A" * 22, "rose." + "A" * 22, "cactus." + "A" * 99, "tulip.{}"]
)
async def test_what_is_no_code_of_ours_admits_nobody(here: Living, code: str) -> None:
    async with here.buyer() as buyer:
        secret = (await code_of(here, buyer)).partition(".")[2]
    status, got = await post(here, "exchange", {"code": code.format(secret), "device": DEVICE})
    assert (status, "pass" in got) == (410, False)


async def test_passes_in_use_are_renewed_and_the_store_hears_of_it(
    here: Living, keyring: Keyring, client: Redis
) -> None:
    _, held = await admitted(here, keyring)
    old = sign_pass(
        Pass(held.session, "cactus", DEVICE, held.issued_at_s - 25, held.expires_at_s - 25, held.ends_at_s),
        keyring,
    )
    await client.zadd("{cactus}:sessions", {held.session: (held.expires_at_s - 25) * 1e6})
    status, got = await post(here, "renew", {"onsale": "cactus", "passes": [old]})
    assert status == 200
    renewed = verify_pass(got["passes"][0], "cactus", keyring)
    assert (renewed.session, renewed.device, renewed.ends_at_s) == (held.session, DEVICE, held.ends_at_s)
    assert renewed.expires_at_s > held.expires_at_s - 25
    async with asyncio.timeout(20):
        while (await client.zscore("{cactus}:sessions", held.session) or 0) < renewed.expires_at_s * 1e6:
            await asyncio.sleep(0.02)


async def test_only_passes_that_hold_are_renewed(here: Living, keyring: Keyring) -> None:
    token, held = await admitted(here, keyring)
    expired = sign_pass(admission(age_s=200, left_s=-100), keyring)
    other = sign_pass(admission(sale="tulip"), keyring)
    stranger = cookies().partition("tidegate_pass_cactus=")[2]
    asked = ["", "x.y.z", expired, other, stranger, token]
    status, got = await post(here, "renew", {"onsale": "cactus", "passes": asked})
    assert status == 200
    assert got["passes"][:-1] == [None] * 5
    assert verify_pass(got["passes"][-1], "cactus", keyring).session == held.session
    await Office(here).act("revoke", session=held.session)
    async with asyncio.timeout(20):
        while (await post(here, "renew", {"onsale": "cactus", "passes": [token]}))[1]["passes"] != [None]:
            await asyncio.sleep(0.02)


async def test_the_hard_end_stands_however_often_a_pass_is_renewed(here: Living, keyring: Keyring) -> None:
    held = admission(age_s=290, left_s=5)
    ends = Pass(held.session, "cactus", DEVICE, held.issued_at_s, held.expires_at_s, held.expires_at_s + 2)
    _, got = await post(here, "renew", {"onsale": "cactus", "passes": [sign_pass(ends, keyring)]})
    assert verify_pass(got["passes"][0], "cactus", keyring).expires_at_s == ends.ends_at_s


@pytest.mark.parametrize("kind", ["complete", "abandon"])
async def test_a_pass_ends_its_own_session_everywhere(
    here: Living, keyring: Keyring, client: Redis, kind: str
) -> None:
    token, held = await admitted(here, keyring)
    stranger = cookies().partition("tidegate_pass_cactus=")[2]
    body = {"onsale": "cactus", "passes": [token, stranger, "x"], "kind": kind}
    assert await post(here, "end", body) == (200, {"ended": 1})
    assert (await post(here, "renew", {"onsale": "cactus", "passes": [token]}))[1]["passes"] == [None]
    async with asyncio.timeout(20):
        while await client.zcard("{cactus}:sessions"):
            await asyncio.sleep(0.02)
    told = await client.xrange("{cactus}:revocations")
    assert [fields for _, fields in told] == [{"session": held.session, "kind": kind}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("exchange", b"", 422),
        ("exchange", b"[]", 422),
        ("exchange", b"\xff", 422),
        ("exchange", {"code": "cactus." + "A" * 22}, 422),
        ("exchange", {"code": "cactus." + "A" * 22, "device": "short"}, 422),
        ("exchange", {"code": "cactus." + "A" * 22, "device": DEVICE, "more": 1}, 422),
        ("renew", {"onsale": "rose", "passes": []}, 404),
        ("renew", {"onsale": "../x", "passes": []}, 422),
        ("renew", {"onsale": "cactus", "passes": ["x"] * (MAX_PASSES + 1)}, 422),
        ("renew", {"onsale": "cactus", "passes": ["x" * 3000]}, 422),
        ("renew", {"onsale": "cactus", "passes": "x"}, 422),
        ("renew", b"[" * 5000, 422),
        ("renew", b"x" * 300_000, 413),
        ("end", {"onsale": "cactus", "passes": [], "kind": "revoke"}, 422),
        ("end", {"onsale": "rose", "passes": []}, 404),
    ],
)
async def test_what_is_malformed_gets_a_problem(here: Living, path: str, body: Any, status: int) -> None:
    answered, problem = await post(here, path, body)
    assert answered == problem["status"] == status
    assert problem["detail"]


async def test_no_pass_and_no_code_gets_into_the_log(
    here: Living, keyring: Keyring, capsys: pytest.CaptureFixture[str]
) -> None:
    async with here.buyer() as buyer:
        code = await code_of(here, buyer)
    await post(here, "exchange", {"code": code, "device": "short"})
    _, got = await post(here, "exchange", {"code": code, "device": DEVICE})
    await post(here, "renew", {"onsale": "cactus", "passes": [got["pass"], got["pass"] + "x"]})
    logged = capsys.readouterr()
    for secret in (code, code.partition(".")[2], got["pass"]):
        assert secret not in logged.out + logged.err
