"""What operators do by the console is done, to rules, processes and onsales; asked for twice where it hurts, and logged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from rulebook.admintokens import Role
from tests.autoscaler.console_stage import TOKENS, Stage, running_stage, signed_in, stage_settings
from tests.relays import listening, relay_to
from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale


async def rule_of(stage: Stage) -> dict[str, Any]:
    async with stage.http.get("/status") as answer:
        rule: dict[str, Any] = (await answer.json())["rules"]["web"]
        return rule


async def becomes(ask: Callable[[], Awaitable[Any]], condition: Callable[[Any], bool]) -> Any:
    end_s = time.monotonic() + 60
    while not condition(found := await ask()):
        assert time.monotonic() < end_s, found
        await asyncio.sleep(0.05)
    return found


async def settled(stage: Stage) -> dict[str, Any]:
    """Two replicas are what the signal asks for."""
    rule: dict[str, Any] = await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 2)
    return rule


@pytest.mark.slow
async def test_a_pinned_rule_keeps_the_count_over_a_restart_until_it_is_taken_back(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    form = {"mode": "pinned", "replicas": "3", "reason": "a load test"}
    async with running_stage(settings) as stage, signed_in(stage) as operator:
        await settled(stage)
        # It hurts, so it is asked once more, and until then nothing happens.
        async with await operator.post("services/web/mode", form_key=await operator.key(), **form) as asked:
            assert asked.status == 200
            assert "Pin web at 3?" in await asked.text()
        assert (await rule_of(stage))["override"] is None
        page = await operator.act("services/web/mode", confirmed="yes", **form)
        assert "web is pinned at 3 now." in page
        await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 3)
    async with running_stage(settings) as stage, signed_in(stage) as operator:
        rule = await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 3 and rule["decision"])
        assert rule["override"]["who"] == "operator-of-tests"
        assert rule["override"]["reason"] == "a load test"
        assert rule["decision"]["bound_by"] == "paused"
        assert "Pinned at 3" in await operator.page()
        await operator.act("services/web/mode", mode="automatic")
        await becomes(
            lambda: rule_of(stage), lambda rule: rule["override"] is None and rule["paused"] is False
        )
        log = await operator.page("audit")
    # Of both runs, newest first.
    assert log.index("set mode: automatic") < log.index("set mode: pinned at 3")
    assert "a load test" in log


async def test_what_came_of_an_action_is_shown_once_and_by_its_own_page(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage, signed_in(stage) as operator:
        form = {"form_key": await operator.key(), "mode": "paused", "confirmed": "yes"}
        async with await operator.post("services/web/mode", **form) as answer:
            goal = answer.headers["Location"].removeprefix("/console/")
        # A page which renews itself, here or in another tab, comes first.
        assert "web is paused now." not in await operator.page("services/web")
        assert "web is paused now." in await operator.page(goal)
        assert "web is paused now." not in await operator.page(goal)


@pytest.mark.parametrize(
    ("form", "title", "told"),
    [
        ({"mode": "paused"}, "Pause web?", "The count stays as it is, however many buyers come."),
        (
            {"mode": "dryRun"},
            "Set web to a dry run?",
            "Nor does it tell the onsale cactus what the shop can take",
        ),
        ({"mode": "pinned", "replicas": "1"}, "Pin web at 1?", "It has 2 replicas now: 1 of them is ended"),
    ],
    ids=["pause", "dry run", "pin below the count"],
)
async def test_what_hurts_is_asked_for_once_more_and_so_is_taking_it_back(
    tmp_path: Path, store_url: str, client: Redis, form: dict[str, str], title: str, told: str
) -> None:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage, signed_in(stage) as operator:
        await settled(stage)
        key = await operator.key()
        # To go by the document is no change where nothing is set: it is not asked for.
        async with await operator.post("services/web/mode", form_key=key, mode="automatic") as done:
            assert done.status == 303
        async with await operator.post("services/web/mode", form_key=key, **form) as asked:
            assert asked.status == 200
            page = await asked.text()
        assert title in page
        assert told in page
        assert (await rule_of(stage))["override"] is None
        await operator.act("services/web/mode", **form)
        assert (await rule_of(stage))["override"]["mode"] == form["mode"]
        async with await operator.post("services/web/mode", form_key=key, mode="automatic") as asked:
            assert "Set web to automatic?" in await asked.text()
        assert (await rule_of(stage))["override"] is not None
        await operator.act("services/web/mode", mode="automatic")
        assert (await rule_of(stage))["override"] is None


async def test_a_dry_run_is_set_and_shown(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage, signed_in(stage) as operator:
        await settled(stage)
        await operator.act("services/web/mode", mode="dryRun")
        rule = await becomes(lambda: rule_of(stage), lambda rule: rule["decision"]["bound_by"] == "dryRun")
        assert rule["dry_run"] is True
        assert rule["decision"]["admission"] is None
        assert "Dry run" in await operator.page()


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"mode": "pinned", "replicas": "5"}, "from 0 to 4"),
        ({"mode": "pinned", "replicas": "-1"}, "from 0 to 4"),
        ({"mode": "pinned", "replicas": "٣"}, "from 0 to 4"),
        ({"mode": "pinned"}, "from 0 to 4"),
        ({"mode": "stopped"}, "choose a mode"),
        ({"mode": "paused", "reason": "x" * 301}, "longer than 300"),
    ],
    ids=["too many", "below zero", "other digits", "no count", "no such mode", "too long a reason"],
)
async def test_a_form_that_cannot_be_meant_changes_nothing_and_says_why(
    tmp_path: Path, store_url: str, client: Redis, form: dict[str, str], message: str
) -> None:
    async with running_stage(stage_settings(tmp_path, store_url)) as stage, signed_in(stage) as operator:
        page = await operator.act("services/web/mode", confirmed="yes", **form)
        assert "Nothing was changed" in page
        assert message in page
        assert (await rule_of(stage))["override"] is None


@pytest.mark.slow
async def test_a_restart_replaces_the_processes_once_it_was_confirmed(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async def pids(stage: Stage) -> set[str]:
        found = set()
        async with aiohttp.ClientSession() as http:
            for url in (await rule_of(stage))["endpoints"]:
                async with http.get(f"{url}/pid") as answer:
                    found.add(await answer.text())
        return found

    async with running_stage(stage_settings(tmp_path, store_url)) as stage, signed_in(stage) as operator:
        await settled(stage)
        before = await pids(stage)
        async with await operator.post("services/web/restart", form_key=await operator.key()) as asked:
            assert "Restart web?" in await asked.text()
        assert await pids(stage) == before
        assert "web is being restarted" in await operator.act("services/web/restart", confirmed="yes")
        await becomes(lambda: rule_of(stage), lambda rule: rule["ready"] == 2 and len(rule["endpoints"]) == 2)

        async def replaced() -> bool:
            try:
                return (now := await pids(stage)).isdisjoint(before) and len(now) == 2
            except aiohttp.ClientError:  # one that has just ended
                return False

        await becomes(replaced, bool)
        assert "restart" in await operator.page("audit")


async def test_an_onsale_is_held_slowed_told_of_and_resumed_by_the_console(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    document = onsale(admission={"rate": "10/s", "burst": 5, "claimWithin": "30s"})
    async with running_stage(stage_settings(tmp_path, store_url), document) as stage:
        assert stage.room is not None
        room = stage.room.rooms["cactus"]
        async with signed_in(stage) as operator:
            await becomes(operator.page, lambda page: "Cactus" in page)
            await operator.act("onsales/cactus/hold", reason="The <payments> are down")
            await becomes(snapshot(room), lambda seen: seen.hold == "The <payments> are down")
            page = await operator.page("onsales/cactus")
            assert "The &lt;payments&gt; are down" in page
            assert "Held" in page
            await operator.act("onsales/cactus/rate", rate="2")
            await operator.act("onsales/cactus/message", message="Doors at ten")
            await operator.act("onsales/cactus/resume")
            await becomes(
                snapshot(room),
                lambda seen: (seen.hold, seen.rate_per_s, seen.message) == ("", 2.0, "Doors at ten"),
            )
            refused = await operator.act("onsales/cactus/rate", rate="1000/s")
            assert "the document&#39;s ceiling is 10/s" in refused
            session = "A" * 22
            async with await operator.post(
                "onsales/cactus/revoke", form_key=await operator.key(), session=session
            ) as asked:
                assert "Revoke this session?" in await asked.text()
            page = await operator.act("onsales/cactus/revoke", session=session, confirmed="yes")
            assert "the session is revoked" in page
            assert "revoke" in page.partition("Changes by operators")[2]
            log = await operator.page("audit")
    for what in ("hold", "rate", "message", "resume", "revoke"):
        assert f">{what}</td>" in log
    assert "ceiling is 10/s" in log


def snapshot(room: Any) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        return room.snapshot

    return ask


async def test_a_room_that_is_away_leaves_the_services_as_they_are(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    assert settings.console is not None
    (tmp_path / "token").write_text("tidegate_x")
    console = replace(
        settings.console, room_admin="http://127.0.0.1:1", room_admin_token_file=tmp_path / "token"
    )
    async with running_stage(replace(settings, console=console)) as stage, signed_in(stage) as operator:
        page = await operator.page()
        assert "The ticket shop" in page
        assert "the room at http://127.0.0.1:1 cannot be reached" in page
        assert "cannot be reached" in await operator.act("onsales/cactus/hold", reason="a test")
        assert "cannot be reached" in await operator.page("audit")


async def test_of_a_room_that_goes_away_the_last_figures_are_shown_as_old_ones(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    settings = stage_settings(tmp_path, store_url)
    assert settings.console is not None
    secret = tmp_path / "token"
    secret.write_text(TOKENS[Role.OPERATOR])
    async with AsyncExitStack() as way:
        room = await way.enter_async_context(
            living(tmp_path, store_url, onsale(), admin_tokens=tmp_path / "tokens.yaml")
        )
        port = int(room.room.rpartition(":")[2])
        front = await way.enter_async_context(listening(relay_to(lambda: port)))
        console = replace(
            settings.console, room_admin=f"http://127.0.0.1:{front}", room_admin_token_file=secret
        )
        async with running_stage(replace(settings, console=console)) as stage, signed_in(stage) as operator:
            await becomes(operator.page, lambda page: "onsale-cactus" in page)
            await way.aclose()
            page = await becomes(
                lambda: operator.page("onsales/cactus"), lambda page: "cannot be reached" in page
            )
            assert "Stale" in page
            assert "Hold: release nobody" in page
            assert "cannot be reached" in await operator.act("onsales/cactus/hold", reason="a test")


async def test_without_a_store_actions_are_done_and_shown_and_said_not_to_be_kept(tmp_path: Path) -> None:
    async with (
        running_stage(stage_settings(tmp_path, "redis://127.0.0.1:1")) as stage,
        signed_in(stage) as operator,
    ):
        await operator.act("services/web/mode", mode="paused")
        rule = await becomes(lambda: rule_of(stage), lambda rule: rule["paused"] is True)
        assert rule["override"]["mode"] == "paused"
        page = await operator.page("audit")
        assert "only in this process and its log: store: " in page
        assert "set mode: paused" in page
