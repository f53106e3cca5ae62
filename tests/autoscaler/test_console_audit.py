"""The audit log holds what was refused, who came and went, and what broke off half done; from where, and no secret."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis
from structlog.testing import capture_logs

from autoscaler.loop import RuleLoop
from rulebook.admintokens import Role
from tests.autoscaler.console_stage import TOKENS, Operator, Stage, running_stage, signed_in, stage_settings
from tests.autoscaler.test_console_acts import becomes, rule_of

PAUSE = {"mode": "paused", "reason": "a test"}


@pytest.fixture
async def stage(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Stage]:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage:
        yield stage


async def rows(operator: Operator, of: str = "entries") -> list[str]:
    """Return the lines of a table of the audit page as text, newest first."""
    body = (await operator.page("audit")).partition(f'id="{of}"')[2].partition("</tbody>")[0]
    return [re.sub(r"(?:\s*<[^>]+>\s*)+", "|", row) for row in body.split("<tr ")[1:]]


async def test_what_is_refused_is_there_with_who_wanted_it_from_where_and_why(stage: Stage) -> None:
    async with signed_in(stage, Role.VIEWER) as viewer:
        key = await viewer.key()
        async with await viewer.post("services/web/mode", form_key=key, **PAUSE) as answer:
            assert answer.status == 403
        (refused, came) = await rows(viewer)
    assert all(
        text in refused
        for text in (
            "|viewer-of-tests|",
            "|from 127.0.0.1|",
            "|set mode|",
            "|web|",
            "not done",
            "look, not act",
        )
    )
    assert re.search(r"\|console-[0-9a-f]{12}\|", refused)
    assert all(text in came for text in ("|viewer-of-tests|", "|sign in|", "|as viewer|", "|done|"))


@pytest.mark.parametrize(
    ("path", "form", "status", "told"),
    [
        ("services/web/mode", {"form_key": "x", **PAUSE}, 403, ("set mode", "web", "not from this session")),
        ("services/web/mode", {"mode": "pinned", "replicas": "9"}, 303, ("set mode", "web", "from 0 to 4")),
        ("services/other/restart", {}, 404, ("restart", "other", "There is no such service")),
        ("onsales/cactus/hold", {"reason": "x"}, 404, ("hold", "onsale cactus", "knows no room")),
        ("nowhere/%0a<b>", {}, 404, ("a form", "/console/nowhere/ &lt;b&gt;", "Not Found")),
    ],
    ids=["another key", "no such count", "no such rule", "no room", "no such page"],
)
async def test_an_operators_form_that_comes_to_nothing_is_there(
    stage: Stage, path: str, form: dict[str, str], status: int, told: tuple[str, ...]
) -> None:
    async with signed_in(stage) as operator:
        async with await operator.post(path, **{"form_key": await operator.key(), **form}) as answer:
            assert answer.status == status
        refused = (await rows(operator))[0]
    assert all(text in refused for text in ("operator-of-tests", "not done", *told)), refused


async def test_whoever_is_not_known_is_told_apart_by_address_and_no_secret_is_repeated(stage: Stage) -> None:
    stranger = Operator(stage)
    with capture_logs() as logged:
        async with await stranger.sign_in("tidegate_a-wrong-token") as answer:
            assert answer.status == 401
        async with await stranger.post("services/web/mode", **PAUSE) as answer:
            assert answer.status == 401
        evil = {"Origin": "https://evil.example"}
        async with await stranger.post("services/web/restart", evil) as answer:
            assert answer.status == 403
        async with await stranger.sign_in(TOKENS[Role.SHOP]) as answer:
            assert answer.status == 403
    await stranger.http.close()
    async with signed_in(stage) as operator:
        key = await operator.key()
        strangers = await rows(operator, "strangers")
        people = await rows(operator)
        async with await operator.post("sign-out", form_key=key) as answer:
            assert answer.status == 303
    assert [row.split("|unknown|from 127.0.0.1|")[1].split("|")[0] for row in strangers] == [
        "restart",
        "set mode",
        "sign in",
    ]
    assert "This token is not known here." in strangers[-1]
    assert "shop-of-tests" in people[1]
    assert "a viewer&#39;s or an operator&#39;s" in people[1]
    async with signed_in(stage) as operator:
        assert "sign out" in (await rows(operator))[0]
    told = [line for line in logged if line["event"] == "console_action"]
    assert len(told) == 4
    assert not [token for token in (*TOKENS.values(), "a-wrong-token") if token in str(logged)]


async def test_a_guesser_takes_two_lines_and_what_was_only_counted_outlives_the_process(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    with capture_logs() as logged:
        async with running_stage(settings) as stage:
            stranger = Operator(stage)
            for number in range(14):
                async with await stranger.sign_in(f"guess {number}") as answer:
                    assert answer.status == (401 if number < 10 else 429)
            await stranger.http.close()
            async with signed_in(stage) as operator:
                assert len(await rows(operator, "strangers")) == 1
        async with running_stage(settings) as stage, signed_in(stage) as operator:
            last, first = await rows(operator, "strangers")
    assert "13 times within a minute" in last
    assert "Too many wrong tokens came from your address." in last
    assert "times within" not in first
    assert len([line for line in logged if line["event"] == "console_action" and not line["who"]]) == 2


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), asyncio.CancelledError()], ids=["defect", "cut off"]
)
async def test_an_action_that_broke_off_is_there_as_one_that_may_have_been_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    async def broken(self: RuleLoop, override: object) -> None:
        raise error

    await becomes(lambda: rule_of(stage), lambda rule: rule["rounds"] > 0)
    monkeypatch.setattr(RuleLoop, "override", broken)
    async with signed_in(stage) as operator:
        key = await operator.key()
        with suppress(aiohttp.ClientError):
            form = {"form_key": key, "confirmed": "yes", **PAUSE}
            async with await operator.post("services/web/mode", **form) as answer:
                assert answer.status == 500
        # Who was cut off may look before the console has written it down.
        broke_off = (await becomes(lambda: rows(operator), lambda found: "it broke off" in found[0]))[0]
    assert all(
        text in broke_off
        for text in ("set mode: paused", "a test", "not known", "it broke off; it may have been done")
    ), broke_off


@asynccontextmanager
async def room_that_acts_and_does_not_tell() -> AsyncIterator[str]:
    """Run an admin API that is cut off when it is to hold, and has lost its store when it is to set a message."""

    async def onsale(request: web.Request) -> web.Response:
        return web.json_response({"name": "cactus", "snapshot": {}, "overrides": {}})

    async def cut_off(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def without_store(request: web.Request) -> web.Response:
        return web.json_response({"status": 503, "detail": "come back"}, status=503)

    async def empty(request: web.Request) -> web.Response:
        return web.json_response({"onsales": [], "entries": []})

    app = web.Application()
    app.router.add_get("/admin/v1/onsales/cactus", onsale)
    app.router.add_post("/admin/v1/onsales/cactus/hold", cut_off)
    app.router.add_post("/admin/v1/onsales/cactus/message", without_store)
    app.router.add_get("/admin/v1/{list}", empty)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_where_the_rooms_answer_was_lost_it_is_said_that_nobody_knows(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    assert settings.console is not None
    secret = tmp_path / "room-token"
    secret.write_text("a-token\n")
    async with room_that_acts_and_does_not_tell() as room:
        console = replace(settings.console, room_admin=room, room_admin_token_file=secret)
        async with running_stage(replace(settings, console=console)) as stage, signed_in(stage) as operator:
            for action, form in (("hold", {"reason": "A fire alarm"}), ("message", {"message": "Soon"})):
                page = await operator.act(f"onsales/cactus/{action}", **form)
                assert "Not known whether it was done: the room at" in page
                (told, *_) = await rows(operator)
                assert all(text in told for text in (f"|{action}|", "not known", "it may have been done")), (
                    told
                )
