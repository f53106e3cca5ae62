"""The OpenAPI document is whole and true: it names every route, and generated requests find no answer which it doesn't allow."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from rulebook.admintokens import Role
from tests.waitingroom.backoffice import TOKENS, token_file
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale
from waitingroom.web import buyer_documents as buyer
from waitingroom.web.openapi import openapi_document
from waitingroom.web.routetable import ROUTES

# Endless answers, answers that are tested elsewhere with real proxies, codes (nobody can make one up), and a page.
LEFT_OUT = r"^/(gate/(auth|exchange|forward|revocations)|\.tidegate/.*|\{onsale\}/events|\{onsale\}/)$"


def test_the_document_is_openapi_3_1_with_a_name_for_every_operation() -> None:
    document = openapi_document()
    assert document["openapi"].startswith("3.1.")
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names)) == len(ROUTES)
    json.dumps(document)


async def test_every_route_of_the_room_is_in_the_document(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[web.Application] = []
    setup = web.AppRunner.setup

    async def note(self: web.AppRunner) -> None:
        apps.append(self.app)
        await setup(self)

    monkeypatch.setattr(web.AppRunner, "setup", note)
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)):
        everywhere = [
            {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
            for app in apps
        ]
    registered = next(routes for routes in everywhere if ("GET", "/healthz") in routes)
    described = {(route.method, route.path) for route in ROUTES}
    registered = {
        ("GET" if method == "*" else method, path)
        for method, path in registered
        if method != "HEAD" and not path.startswith(("/static", "/gate/forward/"))
    }
    assert registered == described


async def test_answers_to_buyers_are_as_described(tmp_path: Path, store_url: str, client: Redis) -> None:
    rooms = onsale(admission={"rate": "200/s", "burst": 50})
    async with living(tmp_path, store_url, rooms) as here, here.buyer() as visitor:
        async with visitor.post(f"{here.room}/cactus/join") as answer:
            buyer.Joined.model_validate_json(await answer.read())
        async with visitor.get(f"{here.room}/cactus/status") as answer:
            buyer.Status.model_validate_json(await answer.read())
        async with visitor.get(f"{here.room}/cactus/state") as answer:
            buyer.PublicState.model_validate_json(await answer.read())
        async with asyncio.timeout(20):
            while True:
                async with visitor.post(f"{here.room}/cactus/enter") as answer:
                    body = await answer.read()
                if answer.status == 200:
                    break
                await asyncio.sleep(0.02)
        buyer.Admitted.model_validate_json(body)


OPERATOR = ("--header", f"Authorization: Bearer {TOKENS[Role.OPERATOR]}")


async def schemathesis(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Let schemathesis ask what the document allows and what it forbids; the same questions every time."""
    command = [
        *(str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json"),
        *("--exclude-path-regex", LEFT_OUT, "--generation-database", "none", "--no-color", "--seed", "7"),
        *("--request-timeout", "60"),
        *options,
    ]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=500
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((*OPERATOR, "--max-examples", "3", "--phases", "fuzzing"), id="an operator, short"),
        pytest.param(
            ("--max-examples", "2", "--phases", "fuzzing"), id="a stranger, short", marks=pytest.mark.slow
        ),
        pytest.param((*OPERATOR, "--max-examples", "60"), id="an operator, long", marks=pytest.mark.slow),
    ],
)
async def test_generated_requests_find_nothing(
    tmp_path: Path, store_url: str, client: Redis, options: tuple[str, ...]
) -> None:
    tokens = token_file(tmp_path)
    # Most names that are made up exist nowhere: these lead past the first 404.
    (tmp_path / "schemathesis.toml").write_text(
        '[parameters]\n"path.onsale" = ["cactus", "nothing"]\n"query.onsale" = "cactus"\n'
    )
    async with living(tmp_path, store_url, onsale(), admin_tokens=tokens) as here:
        done = await schemathesis(here.room, tmp_path, *options)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
