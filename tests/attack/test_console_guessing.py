"""Whoever guesses at the console is counted, whatever it says of itself; it fills no log and no queue."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from autoscaler.errors import ConfigurationError
from rulebook.admintokens import TokenEntry
from rulebook.tokencheck import MOST_WAITING
from tests.autoscaler.console_stage import Operator, running_stage, stage_settings

ORIGIN = "https://ops.example.org"
CHOSEN = json.dumps([{"name": "kim", "role": "viewer", "scrypt": "2:1:1:c2FsdA==:a2V5a2V5a2V5a2V5"}])
"""A token file with one token that somebody chose, which is compared slowly."""


@pytest.fixture(autouse=True)
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no time pass in which a try comes back, however long this machine takes for the tries."""
    monkeypatch.setattr("autoscaler.console.signing_in.time", SimpleNamespace(monotonic=lambda: 1_000.0))


@asynccontextmanager
async def guessing(
    folder: Path, store_url: str, url: str | None = ORIGIN, trusted: tuple[str, ...] = ()
) -> AsyncIterator[Operator]:
    settings = stage_settings(folder, store_url)
    console = replace(settings.console, url=url, trusted_proxies=trusted)
    async with running_stage(replace(settings, console=console)) as stage:
        stranger = Operator(stage)
        try:
            yield stranger
        finally:
            await stranger.http.close()


async def guess(stranger: Operator, forwarded: str, url: str | None = ORIGIN) -> int:
    """Try a wrong token in the name of an address; returns the status."""
    headers = {"X-Forwarded-For": forwarded, **({} if url is None else {"Origin": url})}
    async with await stranger.post("sign-in", headers, token="a guess") as answer:
        return answer.status


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        pytest.param(ORIGIN, ("10.0.0.0/8",), id="who is not the proxy"),
        pytest.param(None, (), id="where there is no proxy"),
    ],
)
async def test_another_forwarded_address_with_each_try_gives_no_more_tries(
    tmp_path: Path, store_url: str, client: Redis, url: str | None, trusted: tuple[str, ...]
) -> None:
    async with guessing(tmp_path, store_url, url, trusted) as stranger:
        answers = [await guess(stranger, f"198.51.100.{number}", url) for number in range(11)]
    assert answers == [401] * 10 + [429]


async def test_one_subscribers_addresses_are_one_client_and_another_ones_are_not(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with guessing(tmp_path, store_url, None, ("127.0.0.0/8",)) as stranger:
        answers = [await guess(stranger, f"2001:db8::{number:x}", None) for number in range(11)]
        assert answers == [401] * 10 + [429]
        assert await guess(stranger, "2001:db8:0:1::1", None) == 401


async def test_many_guesses_at_once_are_counted_before_they_are_compared(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with guessing(tmp_path, store_url) as stranger:
        (tmp_path / "tokens.yaml").write_text(CHOSEN)
        answers = await asyncio.gather(*[guess(stranger, "198.51.100.1") for _ in range(40)])
    assert Counter(answers) == {401: 10, 429: 30}


async def test_comparisons_that_wait_are_bounded_and_who_is_turned_away_has_lost_no_try(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()

    def match(entry: TokenEntry, token: str) -> bool:
        going_on.wait(60)
        return False

    monkeypatch.setattr("rulebook.tokencheck.matches_slowly", match)
    async with guessing(tmp_path, store_url) as stranger:
        (tmp_path / "tokens.yaml").write_text(CHOSEN)
        crowd = [
            asyncio.create_task(guess(stranger, f"198.51.100.{number}")) for number in range(MOST_WAITING + 4)
        ]
        try:
            async with asyncio.timeout(60):
                while sum(task.done() for task in crowd) < 4:
                    await asyncio.sleep(0.01)
            with capture_logs() as logged:
                assert [await guess(stranger, "203.0.113.9") for _ in range(20)] == [503] * 20
            told = [line["event"] for line in logged if line["event"].startswith("console_")]
            assert told == ["console_action"]
        finally:
            going_on.set()
        assert Counter(await asyncio.gather(*crowd)) == {401: MOST_WAITING, 503: 4}
        answers = [await guess(stranger, "203.0.113.9") for _ in range(11)]
    assert answers == [401] * 10 + [429]


async def test_forms_of_strangers_fill_no_log(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with guessing(tmp_path, store_url) as stranger:
        with capture_logs() as logged:
            for number in range(30):
                headers = {"Origin": f"https://{number}.evil.example/{'x' * 1000}"}
                async with await stranger.post(f"{number}/{'y' * 1000}", headers) as answer:
                    assert answer.status == 403
    (line,) = [line for line in logged if line["event"] == "console_form_of_others_refused"]
    assert line["count"] == 1
    assert line["origin"].startswith("https://0.evil.example/")
    assert len(line["origin"]) == len(line["path"]) == 80


async def test_what_is_no_address_of_a_proxy_is_told_at_the_start(tmp_path: Path, store_url: str) -> None:
    settings = stage_settings(tmp_path, store_url)
    with pytest.raises(ConfigurationError, match=r"--trusted-proxy: .*'proxy\.example\.org'"):
        replace(settings.console, trusted_proxies=("proxy.example.org",))
