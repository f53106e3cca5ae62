"""Tokens of the admin API: hashed in a file, of roles, compared without telling, limited in their failures."""

import asyncio
import base64
import hashlib
import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from rulebook.admintokens import Role, make_token
from rulebook.tokencheck import MOST_WAITING
from tests.waitingroom.backoffice import TOKENS, Office, token_file
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from waitingroom.web.admin_access import FAILURES_BURST
from waitingroom.web.admin_tokens import open_tokens

SALT = b"salt of tests"
SCRYPT = ":".join(
    [
        "1024",
        "8",
        "1",
        base64.b64encode(SALT).decode(),
        base64.b64encode(hashlib.scrypt(b"open sesame", salt=SALT, n=1024, r=8, p=1, dklen=32)).decode(),
    ]
)
CHANGE = "/admin/v1/onsales/cactus/message"
END = "/sessions/AAAAAAAAAAAAAAAAAAAAAA/complete?onsale=cactus"


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no time pass in which a try comes back."""
    monkeypatch.setattr("waitingroom.web.admin_access.time", SimpleNamespace(monotonic=lambda: 1_000.0))


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        pytest.param(Role.VIEWER, "GET", "/admin/v1/onsales", 200, id="a viewer looks"),
        pytest.param(Role.VIEWER, "POST", CHANGE, 403, id="a viewer changes nothing"),
        pytest.param(Role.VIEWER, "POST", END, 403, id="a viewer ends no session"),
        pytest.param(Role.OPERATOR, "GET", "/admin/v1/audit", 200, id="an operator looks"),
        pytest.param(Role.OPERATOR, "POST", CHANGE, 200, id="an operator changes"),
        pytest.param(Role.OPERATOR, "POST", END, 200, id="an operator ends a session"),
        pytest.param(Role.SHOP, "GET", "/admin/v1/onsales", 403, id="a shop looks at no onsale"),
        pytest.param(Role.SHOP, "POST", CHANGE, 403, id="a shop changes nothing"),
        pytest.param(Role.SHOP, "POST", END, 200, id="a shop ends a session"),
    ],
)
async def test_each_role_may_do_its_own(
    tmp_path: Path, store_url: str, client: Redis, role: Role, method: str, path: str, status: int
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here, role)
        body = {"message": "hello"} if path == CHANGE else {}
        got, answer = await (office.get(path) if method == "GET" else office.post(path, body))
        assert got == status, answer


async def test_without_a_known_token_nothing_is_told(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with (
        living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here,
        aiohttp.ClientSession() as session,
    ):
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
            async with session.get(f"{here.room}/admin/v1/onsales", headers=header) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                assert "cactus" not in await answer.text()


async def test_a_token_may_be_kept_to_some_onsales(tmp_path: Path, store_url: str, client: Redis) -> None:
    made = make_token("tulips-only", Role.OPERATOR, ["tulip"])
    tokens = token_file(tmp_path, entries=[made.entry.model_dump(mode="json", exclude_none=True)])
    rooms = (onsale(), onsale("tulip", protect=[{"path": "/tulip"}]))
    async with living(tmp_path, store_url, *rooms, admin_tokens=tokens) as here:
        office = Office(here, Authorization=f"Bearer {made.token}")
        _, listed = await office.get("/admin/v1/onsales")
        assert [each["name"] for each in listed["onsales"]] == ["tulip"]
        assert (await office.post(CHANGE, {"message": "x"}))[0] == 404
        assert (await office.get("/admin/v1/audit?onsale=cactus"))[0] == 404


@pytest.mark.usefixtures("timeless")
async def test_guessing_is_slowed_down_for_its_client_alone(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        guesser = Office(here, Authorization="Bearer guess", **{"X-Forwarded-For": "198.51.100.7"})
        statuses = [(await guesser.get("/admin/v1/onsales"))[0] for _ in range(FAILURES_BURST + 2)]
        assert statuses == [401] * FAILURES_BURST + [429] * 2
        chosen = Office(here, Authorization="Bearer open sesame", **{"X-Forwarded-For": "198.51.100.7"})
        assert (await chosen.get("/admin/v1/onsales"))[0] == 429
        elsewhere = Office(here, Authorization="Bearer guess", **{"X-Forwarded-For": "198.51.100.8"})
        assert (await elsewhere.get("/admin/v1/onsales"))[0] == 401


@pytest.mark.usefixtures("timeless")
async def test_who_guesses_does_not_lock_out_an_operator_at_the_same_address(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        guesser = Office(here, Authorization="Bearer guess")
        while (await guesser.get("/admin/v1/onsales"))[0] != 429:
            pass
        assert (await Office(here).get("/admin/v1/onsales"))[0] == 200
        made_up = make_token("nobody", Role.OPERATOR).token
        assert (await Office(here, Authorization=f"Bearer {made_up}").get("/admin/v1/onsales"))[0] == 429


@pytest.mark.usefixtures("timeless")
async def test_many_guesses_at_once_are_counted_before_they_are_compared(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    entry = {"name": "ann", "role": "viewer", "scrypt": SCRYPT}
    tokens = token_file(tmp_path, entries=[entry])
    async with living(tmp_path, store_url, onsale(), admin_tokens=tokens) as here:
        guesser = Office(here, Authorization="Bearer guess")
        asked = [guesser.get("/admin/v1/onsales") for _ in range(3 * FAILURES_BURST)]
        statuses = [status for status, _ in await asyncio.gather(*asked)]
        assert statuses.count(401) <= FAILURES_BURST
        assert statuses.count(429) >= 2 * FAILURES_BURST


async def test_few_slow_comparisons_wait_whoever_asks(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = threading.Event()
    monkeypatch.setattr("rulebook.tokencheck.matches_slowly", lambda *_: compared.wait(20) and False)
    tokens = token_file(tmp_path, entries=[{"name": "ann", "role": "viewer", "scrypt": SCRYPT}])
    crowd = MOST_WAITING + 4
    async with living(
        tmp_path, store_url, onsale(), admin_tokens=tokens, trusted_proxies=("127.0.0.0/8",)
    ) as here:

        async def guess(number: int) -> tuple[int, Any]:
            from_elsewhere = Office(
                here, Authorization="Bearer guess", **{"X-Forwarded-For": f"192.0.2.{number}"}
            )
            status, answer = await from_elsewhere.get("/admin/v1/onsales")
            if status == 503:
                refused.append(number)
                if len(refused) == crowd - MOST_WAITING:
                    compared.set()
            return status, answer

        refused: list[int] = []
        statuses = [status for status, _ in await asyncio.gather(*map(guess, range(crowd)))]
        assert statuses.count(401) == MOST_WAITING
        assert statuses.count(503) == crowd - MOST_WAITING


async def test_a_right_token_costs_no_try(tmp_path: Path, store_url: str, client: Redis) -> None:
    entry = {"name": "ann", "role": "viewer", "scrypt": SCRYPT}
    tokens = token_file(tmp_path, entries=[entry])
    async with living(tmp_path, store_url, onsale(), admin_tokens=tokens) as here:
        ann = Office(here, Authorization="Bearer open sesame")
        for _ in range(2 * FAILURES_BURST):
            assert (await ann.get("/admin/v1/onsales"))[0] == 200


async def test_no_token_and_no_hash_is_logged(
    tmp_path: Path, store_url: str, client: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        await Office(here).act("message", message="hello")
        await Office(here, Authorization="Bearer tidegate_wrong").get("/admin/v1/onsales")
    logged = "".join(capsys.readouterr())
    assert "onsale_changed" in logged
    assert "admin_token_refused" in logged
    assert "tidegate_wrong" not in logged
    assert not any(token in logged for token in TOKENS.values())


async def test_a_chosen_token_is_checked_by_scrypt(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"- {{name: ann, role: viewer, scrypt: '{SCRYPT}'}}\n")
    tokens = open_tokens(path)
    for _ in range(2):
        found = await tokens.find("open sesame")
        assert found is not None
        assert found.name == "ann"
    assert await tokens.find("open  sesame") is None
    assert await tokens.find("ö") is None


async def test_a_changed_file_counts_at_once_and_a_broken_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    first, second = make_token("ann", Role.VIEWER), make_token("bob", Role.VIEWER)
    path.write_text(json.dumps([first.entry.model_dump(mode="json", exclude_none=True)]))
    tokens = open_tokens(path)
    for stamp, (text, known, unknown) in enumerate(
        [
            (json.dumps([second.entry.model_dump(mode="json", exclude_none=True)]), second, first),
            ("- nonsense", second, first),
        ]
    ):
        path.write_text(text)
        os.utime(path, (stamp, stamp))
        assert await tokens.find(known.token) == known.entry
        assert await tokens.find(unknown.token) is None


async def test_without_a_token_file_there_is_no_admin_api(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale()) as here:
        assert (await Office(here).get("/admin/v1/onsales"))[0] == 404
