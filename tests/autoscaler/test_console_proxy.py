"""The console behind a proxy with TLS: whose origin and addresses count, and by which cookie a page stays live."""

import asyncio
from dataclasses import replace
from pathlib import Path

from redis.asyncio import Redis

from rulebook.admintokens import Role
from tests.autoscaler.console_stage import TOKENS, Operator, running_stage, stage_settings


async def test_behind_a_proxy_the_cookie_is_for_https_and_the_origin_is_the_proxys(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    console = replace(settings.console, url="https://ops.example.org/console/")
    async with running_stage(replace(settings, console=console)) as stage:
        stranger = Operator(stage)
        async with await stranger.sign_in(TOKENS[Role.VIEWER]) as answer:
            assert answer.status == 403
        headers = {"Origin": "https://ops.example.org"}
        async with await stranger.post("sign-in", headers, token=TOKENS[Role.VIEWER]) as answer:
            assert answer.status == 303
            assert "Secure" in answer.headers["Set-Cookie"]
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        # A page stays live by that cookie: one tick is followed by another.
        live = await stranger.http.get(f"{stage.console}live", headers={"Cookie": cookie})
        async with asyncio.timeout(30):
            for _ in range(2):
                assert await live.content.readline() == b"event: tick\n"
                await live.content.readline()
                assert await live.content.readline() == b"\n"
        live.close()
        await stranger.http.close()


async def test_behind_a_proxy_one_who_guesses_does_not_lock_the_others_out(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    console = replace(settings.console, url="https://ops.example.org")
    async with running_stage(replace(settings, console=console)) as stage:
        stranger = Operator(stage)
        for forwarded, token, expected in (
            *[(f"198.51.100.{number}, 203.0.113.9", "wrong", 401) for number in range(10)],
            ("203.0.113.7, 203.0.113.9", "wrong", 429),
            ("203.0.113.9, 203.0.113.7", "wrong", 401),
            ("203.0.113.7, 203.0.113.9", TOKENS[Role.VIEWER], 303),
        ):
            headers = {"Origin": "https://ops.example.org", "X-Forwarded-For": forwarded}
            async with await stranger.post("sign-in", headers, token=token) as answer:
                assert answer.status == expected
        await stranger.http.close()
