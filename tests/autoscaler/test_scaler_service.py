"""The whole scaler over HTTP: a real pool, a real store, and what it says of itself."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from autoscaler.service import run_once
from rulebook.coupling import targets_key
from tests.autoscaler.fakes import until
from tests.autoscaler.pools import endpoints
from tests.autoscaler.running import RULE, running_scaler, write_documents
from tests.ports import is_free
from tests.segments import TargetSegment

T = TypeVar("T")
ROOT = Path(__file__).parents[2]


async def status_when(
    http: aiohttp.ClientSession, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Ask for /status until the rule's part of it is as wished."""

    async def ask() -> dict[str, Any]:
        async with http.get("/status") as response:
            rule: dict[str, Any] = (await response.json())["rules"]["web"]
            return rule

    return await poll(ask, condition)


async def poll(ask: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> T:
    async with asyncio.timeout(60):
        while True:
            answer = await ask()
            if condition(answer):
                return answer
            await asyncio.sleep(0.05)


async def samples(http: aiohttp.ClientSession) -> dict[str, float]:
    """Return all samples of /metrics, by their name with labels."""
    async with http.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return {
        sample.name + str(sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_a_busy_shop_is_scaled_and_the_room_is_told(
    tmp_path: Path, client: Redis, store_url: str
) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url)
    async with running_scaler(settings) as http:
        # Each replica shows 35, and 20 is what one of them should have: two are wanted, and ready in a while.
        status = await status_when(
            http,
            lambda rule: (
                rule["decision"] is not None
                and rule["decision"]["ready"] == 2
                and rule["admission"] is not None
                and rule["admission"]["rate_per_s"] == 10
            ),
        )
        metrics = await samples(http)
        async with http.get("/readyz") as ready:
            assert ready.status == 200
        newest = TargetSegment.from_json(await client.lindex(targets_key("cactus"), -1))
    assert (newest.rule, newest.rate_per_s, newest.capacity) == ("web", 10.0, 600)
    decision = status["decision"]
    assert (decision["desired"], decision["current"]) == (2, 2)
    assert [step["name"] for step in decision["steps"]]
    assert decision["recommendations"][0]["signal"] == "busy"
    assert status["signals"]["busy"]["value"] == 35
    assert status["admission"]["accepted"] is True
    assert status["admission"]["valid_until"] - status["admission"]["store_now"] > 15.9
    assert len(status["endpoints"]) == 2
    prefix = "tidegate_scaler_"
    assert metrics[f"{prefix}signal_value['busy', 'web']"] == 35
    assert metrics[f"{prefix}desired_replicas['web']"] == 2
    assert metrics[f"{prefix}scale_writes_total['up', 'web']"] == 1
    assert metrics[f"{prefix}admission_rate_per_second['cactus', 'web']"] == 10
    assert metrics[f"{prefix}pool_starts_total['shop']"] == 2
    assert metrics[f"{prefix}pool_crashes_total['shop']"] == 0
    assert metrics[f"{prefix}leading[]"] == 1, "it is alone, so it leads"
    assert metrics[f"{prefix}last_success_timestamp_seconds['web']"] > 0
    assert metrics[f"{prefix}loop_duration_seconds_count['web']"] > 0


async def test_at_the_end_the_room_is_told_that_nothing_is_ready(
    tmp_path: Path, client: Redis, store_url: str
) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url)
    async with running_scaler(settings) as http:
        await status_when(
            http, lambda rule: rule["admission"] is not None and rule["admission"]["rate_per_s"] > 0
        )
    newest = TargetSegment.from_json(await client.lindex(targets_key("cactus"), -1))
    assert (newest.rate_per_s, newest.capacity) == (0.0, 0)


async def test_without_a_store_the_loop_goes_on(tmp_path: Path) -> None:
    crowd = "    - {name: crowd, onsale: {name: cactus, drainWithin: 1m}, perReplica: 5/s}\n  admission:"
    settings = write_documents(tmp_path, rule=RULE.replace("  admission:", crowd))
    async with running_scaler(settings) as http:
        status = await status_when(
            http,
            lambda rule: (
                rule["replicas"] == 2
                and rule["ready"] == 2
                and "write admission" in {error["step"] for error in rule["errors"]}
            ),
        )
        metrics = await samples(http)
    failed = [error["error"] for error in status["errors"] if error["step"] == "write admission"]
    assert failed[-1].startswith("store: ")
    assert status["signals"]["crowd"]["missing"].startswith("store: ")
    assert metrics["tidegate_scaler_signal_missing_total['crowd', 'web']"] > 0
    assert metrics["tidegate_scaler_failures_total['web', 'write admission']"] > 0
    assert "tidegate_scaler_signal_value['crowd', 'web']" not in metrics


async def test_a_dry_run_keeps_its_hands_off(tmp_path: Path, client: Redis, store_url: str) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url, dry_run=True)
    async with running_scaler(settings) as http:
        status = await status_when(http, lambda rule: "value" in rule["signals"].get("busy", {}))
    assert (status["dry_run"], status["replicas"], status["admission"]) == (True, 1, None)
    assert "would go to 2" in status["decision"]["reason"]
    assert await client.exists(targets_key("cactus")) == 0


async def test_once_evaluates_each_rule_once_and_leaves_nothing_running(tmp_path: Path) -> None:
    settings = replace(write_documents(tmp_path, ports=4), once=True)
    outcome = await run_once(settings)
    (status,) = outcome.statuses
    assert [failure.step for failure in status.failures] == ["write admission"]
    assert not outcome.ok
    assert (status.rule, status.rounds, status.decision is not None) == ("web", 1, True)
    assert endpoints(tmp_path) == []


async def test_sigterm_stops_pools_and_all_in_good_order(tmp_path: Path) -> None:
    write_documents(tmp_path)
    arguments = ("-m", "tests.autoscaler.scaler_process", str(tmp_path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    file = tmp_path / "endpoints"
    await until(lambda: file.exists() and len(endpoints(tmp_path)) == 2)
    ports = [int(url.rpartition(":")[2]) for url in endpoints(tmp_path)]
    os.kill(process.pid, signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert endpoints(tmp_path) == []
    assert all(is_free(port) for port in ports)
