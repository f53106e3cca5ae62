"""The rate follows the shop in both directions, and of several rules the lowest counts and is named. With real processes."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.stores import Valkey
from tests.system.coupled import an_onsale, start_scaler, state_when, write_rule
from tests.system.scalers import ScalerProcess
from tests.waitingroom.living import living

pytestmark = pytest.mark.slow

WEB = "{onsale: cactus, perReadyReplica: 5/s}"
CHECKOUT = "{onsale: cactus, perReadyReplica: 4/s}"
SHORT = ("--lease-duration", "1")
"""A target is valid for this and two intervals."""


@pytest.fixture
def store() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def scalers() -> Iterator[list[ScalerProcess]]:
    started: list[ScalerProcess] = []
    yield started
    for scaler in started:
        scaler.end()


def admits(now: dict[str, Any], rule: str) -> float | None:
    """Return the rate which a rule has told the room; None before it has told any."""
    admission = now["rules"].get(rule, {}).get("admission")
    return None if admission is None else float(admission["rate_per_s"])


async def test_of_two_rules_on_one_onsale_the_lowest_counts_and_is_named(
    tmp_path: Path, store: Valkey, scalers: list[ScalerProcess]
) -> None:
    rules = tmp_path / "rules"
    write_rule(rules, "web", WEB, least=2, most=2)
    write_rule(rules, "checkout", CHECKOUT, most=1)
    scaler = start_scaler("both", tmp_path, rules, store)
    scalers.append(scaler)
    async with living(tmp_path, store.url, an_onsale()) as room:
        state = await state_when(room, lambda now: now["rate_per_s"] == 4, scaler)
        assert state["rate_reason"].startswith("checkout: 1 ready")
        await scaler.until(lambda now: admits(now, "web") == 10)

        # Until the other's replicas were ready, that was the lowest; the scaler reads the room's figures round by round.
        def told(now: dict[str, Any]) -> bool:
            sale = now["onsales"].get("cactus", {})
            return len(sale.get("rules", ())) == 2 and (sale["rule"], sale["rate_per_s"]) == ("checkout", 4)

        await scaler.until(told)


async def test_where_one_rules_target_expires_the_fallback_bears_its_name(
    tmp_path: Path, store: Valkey, scalers: list[ScalerProcess]
) -> None:
    write_rule(tmp_path / "one", "web", WEB, least=2, most=2)
    write_rule(tmp_path / "two", "checkout", CHECKOUT, least=2, most=2)
    web = start_scaler("web", tmp_path, tmp_path / "one", store, *SHORT)
    checkout = start_scaler("checkout", tmp_path, tmp_path / "two", store, *SHORT)
    scalers += [web, checkout]
    async with living(tmp_path, store.url, an_onsale()) as room:
        await state_when(room, lambda now: now["rate_per_s"] == 8, checkout)
        await web.until(lambda now: now["rules"]["web"]["ready"] == 2)
        checkout.kill()
        # On a busy machine the other's may be late for a moment as well.
        state = await state_when(
            room, lambda now: now["rate_reason"] == "checkout: no fresh target, fallback", web
        )
        assert state["rate_per_s"] == 1


async def test_a_rule_that_is_taken_away_leaves_the_room_to_the_others_and_at_last_to_its_own_rate(
    tmp_path: Path, store: Valkey, scalers: list[ScalerProcess]
) -> None:
    rules = tmp_path / "rules"
    write_rule(rules, "web", WEB, least=2, most=2)
    write_rule(rules, "checkout", CHECKOUT, most=1)
    # A target would hold for 601 s.
    scaler = start_scaler("both", tmp_path, rules, store, "--lease-duration", "600")
    scalers.append(scaler)
    async with living(tmp_path, store.url, an_onsale()) as room:
        reasons = set()

        def is_at(rate_per_s: float, now: dict[str, Any]) -> bool:
            reasons.add(now["rate_reason"])
            return bool(now["rate_per_s"] == rate_per_s)

        await state_when(room, lambda now: now["rate_per_s"] == 4, scaler)
        await scaler.until(lambda now: admits(now, "web") == 10)
        began_s = time.monotonic()
        (rules / "checkout.yaml").unlink()
        state = await state_when(room, lambda now: is_at(10, now), scaler)
        assert state["rate_reason"].startswith("web: 2 ready")
        text = (rules / "web.yaml").read_text()
        (rules / "web.yaml").write_text(text.replace("  admission: " + WEB + "\n", ""))
        state = await state_when(room, lambda now: is_at(50, now), scaler)
        assert state["rate_reason"] == "ceiling"
        assert not any("fallback" in reason for reason in reasons)
        assert time.monotonic() - began_s < 601, "the targets had not expired"


async def test_a_killed_replica_lowers_the_rate_and_its_successor_raises_it(
    tmp_path: Path, store: Valkey, scalers: list[ScalerProcess]
) -> None:
    write_rule(tmp_path / "rules", "web", WEB, least=2, most=2)
    scaler = start_scaler("scaler", tmp_path, tmp_path / "rules", store)
    scalers.append(scaler)
    async with living(tmp_path, store.url, an_onsale()) as room:
        await state_when(room, lambda now: now["rate_per_s"] == 10, scaler)
        status = await scaler.until(lambda now: len(now["rules"]["web"]["endpoints"]) == 2)
        victim = status["rules"]["web"]["endpoints"][0]
        async with aiohttp.ClientSession() as http, http.get(f"{victim}/pid") as answer:
            os.kill(int(await answer.text()), signal.SIGKILL)
        fallen = await state_when(room, lambda now: now["rate_per_s"] < 10, scaler)
        assert fallen["rate_per_s"] == 5
        assert fallen["rate_reason"].startswith("web: 1 ready")
        risen = await state_when(room, lambda now: now["rate_per_s"] == 10, scaler)
        assert risen["rate_reason"].startswith("web: 2 ready")


async def test_a_scaler_that_dies_leaves_the_room_at_its_fallback_rate(
    tmp_path: Path, store: Valkey, scalers: list[ScalerProcess]
) -> None:
    write_rule(tmp_path / "rules", "web", WEB, least=2, most=2)
    scaler = start_scaler("scaler", tmp_path, tmp_path / "rules", store, *SHORT)
    scalers.append(scaler)
    async with living(tmp_path, store.url, an_onsale()) as room:
        await state_when(room, lambda now: now["rate_per_s"] == 10, scaler)
        scaler.kill()
        state = await state_when(room, lambda now: now["rate_per_s"] != 10)
        assert (state["rate_per_s"], state["rate_reason"]) == (1, "web: no fresh target, fallback")
