"""The console's door: who is let in, what a session may do, and that no other page acts in anybody's name."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from autoscaler.console.settings import ConsoleSettings
from autoscaler.errors import ConfigurationError
from autoscaler.service import run_scaler
from rulebook.admintokens import Role, make_token
from tests.autoscaler.console_stage import (
    MADE,
    TOKENS,
    Operator,
    Stage,
    running_stage,
    signed_in,
    stage_settings,
)

PAUSE = {"mode": "paused", "reason": "a test"}


@pytest.fixture
async def stage(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Stage]:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage:
        yield stage


@pytest.fixture
async def stranger(stage: Stage) -> AsyncIterator[Operator]:
    stranger = Operator(stage)
    yield stranger
    await stranger.http.close()


async def mode(stage: Stage) -> object:
    async with stage.http.get("/status") as answer:
        return (await answer.json())["rules"]["web"]["override"]


@pytest.mark.parametrize("path", ["", "services/web", "services/web/log", "audit", "onsales", "nothing"])
async def test_nothing_is_shown_to_who_is_not_signed_in(stage: Stage, stranger: Operator, path: str) -> None:
    async with stranger.http.get(stage.console + path, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == f"/console/sign-in?next=/console/{path}"
        assert "web" not in await answer.text()


@pytest.mark.parametrize("path", ["live", "services/web/log/stream?pod=shop-1"])
async def test_no_stream_is_opened_for_who_is_not_signed_in(stage: Stage, path: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(stage.console + path) as answer:
        assert answer.status == 401


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(stage: Stage, stranger: Operator) -> None:
    async with await stranger.sign_in(TOKENS[Role.VIEWER]) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/console" in cookie
    assert TOKENS[Role.VIEWER] not in cookie


async def test_a_wrong_token_lets_nobody_in_and_many_have_to_wait(stage: Stage, stranger: Operator) -> None:
    for _ in range(10):
        async with await stranger.sign_in("tidegate_wrong") as answer:
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
    async with await stranger.sign_in("a token that somebody chose") as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0


async def test_who_guesses_does_not_lock_out_an_operator_at_the_same_address(
    stage: Stage, stranger: Operator
) -> None:
    for expected in [401] * 10 + [429]:
        async with await stranger.sign_in("tidegate_wrong") as answer:
            assert answer.status == expected
    async with await stranger.sign_in(TOKENS[Role.OPERATOR]) as answer:
        assert answer.status == 303


async def test_a_shops_token_and_one_for_single_onsales_do_not_open_the_console(
    stage: Stage, stranger: Operator
) -> None:
    single = make_token("single", Role.OPERATOR, ["cactus"])
    entries = [made.entry for made in (*MADE.values(), single)]
    text = json.dumps([entry.model_dump(mode="json", exclude_none=True) for entry in entries])
    (stage.folder / "tokens.yaml").write_text(text)
    for token in (TOKENS[Role.SHOP], single.token):
        async with await stranger.sign_in(token) as answer:
            assert answer.status == 403
            assert "Set-Cookie" not in answer.headers


async def test_whoever_is_taken_out_of_the_file_is_out_at_once(stage: Stage) -> None:
    async with signed_in(stage) as operator:
        key = await operator.key()
        viewer = MADE[Role.VIEWER].entry.model_dump(mode="json", exclude_none=True)
        (stage.folder / "tokens.yaml").write_text(json.dumps([viewer]))
        async with operator.http.get(stage.console, allow_redirects=False) as answer:
            assert answer.status == 303
        async with await operator.post("services/web/mode", form_key=key, **PAUSE) as answer:
            assert answer.status == 401
    assert await mode(stage) is None


async def test_signing_out_ends_the_session_not_only_the_cookie(stage: Stage) -> None:
    async with signed_in(stage) as operator:
        cookies = {cookie.key: cookie.value for cookie in operator.http.cookie_jar}
        async with await operator.post("sign-out", form_key=await operator.key()) as answer:
            assert answer.status == 303
        async with operator.http.get(stage.console, cookies=cookies, allow_redirects=False) as answer:
            assert answer.status == 303


async def test_who_comes_back_to_an_ended_session_is_told_so_and_led_on(stage: Stage) -> None:
    async with signed_in(stage) as operator:
        key = await operator.key()
        cookies = {cookie.key: cookie.value for cookie in operator.http.cookie_jar}
        async with await operator.post("sign-out", form_key=key) as answer:
            assert answer.status == 303
        form = {"form_key": key, **PAUSE}
        headers = {"Origin": operator.origin, "Cookie": f"tidegate_console={cookies['tidegate_console']}"}
        async with aiohttp.ClientSession(headers={**headers, "Accept": "text/html"}) as http:
            async with http.post(f"{stage.console}services/web/mode", data=form) as answer:
                text = await answer.text()
                assert answer.status == 401
            assert "Your session has ended: sign in again. Nothing was done." in text
            assert 'href="/console/sign-in"' in text
            async with http.get(f"{stage.console}services/web") as answer:
                text = await answer.text()
            assert "Your session has ended: sign in again." in text
            assert 'name="next" value="/console/services/web"' in text
    assert await mode(stage) is None


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example/",
        "//evil.example/console/",
        "/console/\\evil.example",
        "javascript:alert(1)",
        "/",
    ],
)
async def test_signing_in_leads_to_pages_of_the_console_only(
    stage: Stage, stranger: Operator, goal: str
) -> None:
    async with await stranger.sign_in(TOKENS[Role.VIEWER], next=goal) as answer:
        assert answer.headers["Location"] == "/console/"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["services/web/mode", "services/web/restart", "sign-in", "sign-out"])
async def test_a_form_of_another_site_does_nothing(stage: Stage, path: str, headers: dict[str, str]) -> None:
    async with signed_in(stage) as operator:
        key = await operator.key()
        async with await operator.post(path, headers, form_key=key, confirmed="yes", **PAUSE) as answer:
            assert answer.status == 403
        await operator.page()
    assert await mode(stage) is None


@pytest.mark.parametrize("key", ["", "x", "é"])
async def test_a_form_without_the_key_of_its_session_does_nothing(stage: Stage, key: str) -> None:
    async with signed_in(stage) as operator:
        async with await operator.post("services/web/mode", form_key=key, **PAUSE) as answer:
            assert answer.status == 403
        async with signed_in(stage) as other:
            foreign = await other.key()
        async with await operator.post("services/web/mode", form_key=foreign, **PAUSE) as answer:
            assert answer.status == 403
    assert await mode(stage) is None


@pytest.mark.parametrize("path", ["services/web/mode", "services/web/restart", "onsales/cactus/hold"])
async def test_a_viewer_sees_and_does_not_act(stage: Stage, path: str) -> None:
    async with signed_in(stage, Role.VIEWER) as viewer:
        assert "Set the mode" not in await viewer.page("services/web")
        key = await viewer.key()
        async with await viewer.post(path, form_key=key, confirmed="yes", **PAUSE) as answer:
            assert answer.status == 403
            assert "look, not act" in await answer.text()
    assert await mode(stage) is None


async def test_every_answer_carries_the_strict_policy(stage: Stage) -> None:
    async with signed_in(stage) as operator:
        for path in ("", "sign-in", "nothing", "static/console.css", "static/nothing.js"):
            async with operator.http.get(stage.console + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                text = await answer.text()
            if answer.content_type == "text/html":
                assert " style=" not in text
                assert "<script>" not in text
                assert "http://" not in text.replace("http://127.0.0.1", "")


async def test_an_open_page_does_not_keep_the_scaler_from_stopping(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with asyncio.timeout(30):
        async with running_stage(stage_settings(tmp_path, store_url)) as stage:
            operator = Operator(stage)
            async with await operator.sign_in(TOKENS[Role.VIEWER]) as answer:
                assert answer.status == 303
            stream = await operator.http.get(stage.console + "live")
            assert (await stream.content.readline()).startswith(b"event: tick")
        assert (await stream.content.read()).endswith(b"\n\n")
        await operator.http.close()


async def test_without_a_token_file_there_is_no_console(tmp_path: Path, store_url: str) -> None:
    settings = replace(stage_settings(tmp_path, store_url), console=None)
    async with running_stage(settings) as stage, stage.http.get("/console/") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("{", "not YAML or JSON"),
        ("[{name: kim, role: king, sha256: x}]", "0.role"),
        ("[{name: kim, role: viewer}]", "needs either sha256 or scrypt"),
    ],
)
async def test_a_token_file_that_cannot_be_used_is_told_at_the_start(
    tmp_path: Path, store_url: str, text: str | None, message: str
) -> None:
    settings = stage_settings(tmp_path, store_url)
    path = tmp_path / "tokens.yaml"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        await asyncio.wait_for(run_scaler(settings), 30)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ops.example.org"},
        {"room_admin": "http://127.0.0.1:8080"},
        {"room_admin": "ftp://room", "room_admin_token_file": Path("token")},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="--"):
        ConsoleSettings(Path("tokens.yaml"), **fields)  # type: ignore[arg-type]
