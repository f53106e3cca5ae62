"""The console's static files are those of its folder; no other file of the machine is ever opened, whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from redis.asyncio import Redis
from yarl import URL

from rulebook.admintokens import Role
from tests.autoscaler.console_stage import TOKENS, Operator, Stage, running_stage, signed_in, stage_settings
from tests.waitingroom.gates import exchange
from tidegate.logs import WithoutMalformed


@pytest.fixture
async def stage(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Stage]:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage:
        yield stage


async def test_no_name_leads_out_of_the_folder(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret.js"
    secret.write_text("secret")
    names = [
        str(secret),
        "/dev/zero",
        "/dev/stdin",
        "../base.py",
        "..",
        ".",
        "../static/console.css",
        "x\0.js",
    ]
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        for name in names:
            for spelt in (quote(name, safe=""), quote(quote(name, safe=""), safe="")):
                address = URL(f"{stage.console}static/{spelt}", encoded=True)
                async with http.get(address) as answer:
                    assert answer.status == 404, name
                    assert "secret" not in await answer.text()
        async with http.get(f"{stage.console}static/console.css") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/css"


async def test_who_hangs_up_in_the_middle_of_a_form_fills_no_log(
    stage: Stage, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    origin = stage.console.removesuffix("/console/")
    for framing in ("Content-Length: 100\r\n\r\ntoken=", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        head = f"POST /console/sign-in HTTP/1.1\r\nHost: {origin[7:]}\r\nOrigin: {origin}\r\n{framing}"
        reader, writer = await asyncio.open_connection(*origin[7:].split(":"))
        writer.write(head.encode())
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
        assert b"HTTP/1.1 5" not in answer
        writer.close()
    logged = [record for record in caplog.records if WithoutMalformed().filter(record)]
    assert logged == []
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "kind", "status"),
    [
        pytest.param(b"token=\xff", "application/x-www-form-urlencoded", 400, id="no text"),
        pytest.param(b"token=x", "application/x-www-form-urlencoded; charset=hex", 400, id="of no encoding"),
        pytest.param(
            b"token=x",
            "application/x-www-form-urlencoded; charset*=utf-8''utf-8%00",
            400,
            id="of an encoding that is none",
        ),
        pytest.param(
            b"token=x",
            "application/x-www-form-urlencoded; charset*=punycode''a",
            400,
            id="of an unreadable name",
        ),
        pytest.param(b"token=x", "multipart/form-data; boundary=x", 415, id="in parts that are none"),
    ],
)
async def test_a_form_that_cannot_be_read_fills_no_log(
    stage: Stage, capsys: pytest.CaptureFixture[str], form: bytes, kind: str, status: int
) -> None:
    told = {"Origin": stage.console.removesuffix("/console/"), "Content-Type": kind}
    async with (
        aiohttp.ClientSession(headers=told) as stranger,
        stranger.post(f"{stage.console}sign-in", data=form) as answer,
    ):
        assert answer.status == status
    assert "Traceback" not in capsys.readouterr().out


async def test_an_address_that_no_parser_agrees_on_is_refused(stage: Stage) -> None:
    async with signed_in(stage) as operator:
        cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in operator.http.cookie_jar)
        for hosts, status in (("Host: a", b"200"), ("Host: a\r\nHost: b", b"400")):
            head = f"GET /console/ HTTP/1.1\r\n{hosts}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
            answer = await exchange(operator.origin, head.encode())
            assert answer.split(b" ", 2)[1] == status
            assert (b"/console/services/web" in answer) == (status == b"200")


async def test_over_https_the_session_is_a_cookie_of_this_very_host(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    console = replace(settings.console, url="https://ops.example.org")
    async with running_stage(replace(settings, console=console)) as stage:
        stranger = Operator(stage)
        headers = {"Origin": "https://ops.example.org"}
        async with await stranger.post("sign-in", headers, token=TOKENS[Role.VIEWER]) as answer:
            cookie = answer.headers["Set-Cookie"]
        name, _, rest = cookie.partition("=")
        assert name == "__Host-tidegate_console"
        assert {part.strip() for part in rest.split(";")[1:]} == {
            "HttpOnly",
            "Path=/",
            "SameSite=Strict",
            "Secure",
        }
        key = rest.partition(";")[0]
        for sent, status in ((f"{name}={key}", 200), (f"tidegate_console={key}", 303)):
            async with stranger.http.get(
                stage.console, headers={"Cookie": sent, "Accept": "text/html"}, allow_redirects=False
            ) as answer:
                assert answer.status == status
        await stranger.http.close()
