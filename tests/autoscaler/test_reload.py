"""Documents that change while the scaler runs: rules come, change and go, and none of that scales anything by itself."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from autoscaler import reload
from autoscaler.crew import Crew
from autoscaler.plan import Plan
from autoscaler.reload import Reloader, Stamp, stamp
from autoscaler.settings import ScalerSettings
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.autoscaler.pools import APP, endpoints
from tests.autoscaler.running import POOL, RULE, running_scaler, write_documents
from tests.autoscaler.test_scaler_service import poll, samples

ROOT = Path(__file__).parents[2]


async def status_of(
    http: aiohttp.ClientSession, condition: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Ask for the whole /status until it is as wished."""

    async def ask() -> dict[str, Any]:
        async with http.get("/status") as response:
            status: dict[str, Any] = await response.json()
            return status

    return await poll(ask, lambda status: bool(condition(status)))


def settled(status: dict[str, Any]) -> bool:
    web = status["rules"].get("web")
    return web is not None and web["replicas"] == web["ready"] == 2


async def test_a_changed_rule_is_in_force_and_its_target_goes_on(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    async with running_scaler(settings) as http:
        before = await status_of(http, settled)
        (tmp_path / "rules" / "rule.yaml").write_text(RULE.replace("min: 1", "min: 3"))
        after = await status_of(http, lambda status: status["rules"]["web"]["ready"] == 3)
    assert set(before["rules"]["web"]["endpoints"]) < set(after["rules"]["web"]["endpoints"])
    assert after["rules"]["web"]["rounds"] > before["rules"]["web"]["rounds"]
    assert after["documents"]["problems"] == []


async def test_a_changed_rule_goes_on_with_the_windows_of_its_counters(tmp_path: Path) -> None:
    replica = MetricsReplica("hits_total 100")
    async with serve_replicas(replica) as (url,):
        counting = f"{{counter: hits_total, over: 5m, urls: ['{url}']}}"
        # Rounds are made at the start and when the rule changes, and not in between.
        rule = RULE.replace("500ms", "5m").replace("{gauge: busy, aggregate: max}", counting)
        async with running_scaler(write_documents(tmp_path, rule=rule)) as http:
            status = await status_of(http, lambda status: status["rules"]["web"]["rounds"] == 1)
            first = status["rules"]["web"]["signals"]["busy"]
            replica.text = "hits_total 1000000"
            file = tmp_path / "rules" / "rule.yaml"
            file.write_text(rule.replace("max: 4", "max: 3"))
            status = await status_of(http, lambda status: status["rules"]["web"]["rounds"] == 2)
            # Another query begins anew.
            file.write_text(rule.replace("over: 5m", "over: 4m"))
            changed = await status_of(http, lambda status: status["rules"]["web"]["rounds"] == 3)
    assert first["missing"] == "the first reading; a rate needs two"
    assert status["rules"]["web"]["signals"]["busy"]["value"] > 1000
    assert changed["rules"]["web"]["signals"]["busy"] == first


async def test_a_rule_that_goes_bad_stays_in_force_and_is_shown(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    file = tmp_path / "rules" / "rule.yaml"
    async with running_scaler(settings) as http:
        await status_of(http, settled)
        file.write_text(RULE.replace("perReplica: 20", "perReplicas: 20"))
        status = await status_of(http, lambda status: status["documents"]["problems"])
        assert status["rules"]["web"]["outdated"] is True
        message = status["documents"]["problems"][0]["message"]
        assert message.startswith(f"{file}:")
        assert "did you mean perReplica?" in message
        rounds = status["rules"]["web"]["rounds"]
        status = await status_of(http, lambda status: status["rules"]["web"]["rounds"] > rounds)
        assert status["rules"]["web"]["replicas"] == 2
        metrics = await samples(http)
        assert metrics["tidegate_scaler_rule_outdated['web']"] == 1
        assert metrics["tidegate_scaler_documents_refused[]"] > 0
        file.write_text(RULE)
        status = await status_of(http, lambda status: not status["documents"]["problems"])
        assert status["rules"]["web"]["outdated"] is False
        assert (await samples(http))["tidegate_scaler_rule_outdated['web']"] == 0


async def test_a_rule_that_is_taken_away_leaves_its_replicas_and_finds_them_again(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    file = tmp_path / "rules" / "rule.yaml"
    async with running_scaler(settings) as http:
        before = await status_of(http, settled)
        file.unlink()
        status = await status_of(http, lambda status: not status["rules"])
        assert status["documents"]["problems"] == []
        assert not [name for name in await samples(http) if "'web'" in name]
        assert len(endpoints(tmp_path)) == 2
        file.write_text(RULE)
        after = await status_of(http, settled)
    assert after["rules"]["web"]["endpoints"] == before["rules"]["web"]["endpoints"]


async def test_sighup_has_the_documents_read_again(tmp_path: Path) -> None:
    write_documents(tmp_path)
    arguments = ("-m", "tests.autoscaler.scaler_process", str(tmp_path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    lines = process.stdout
    assert lines is not None

    async def says(text: bytes) -> None:
        async with asyncio.timeout(30):
            while text not in (line := await lines.readline()):
                assert line, "the scaler has ended"

    try:
        await says(b"rules_in_force")
        await says(b"scaler_runs")
        os.kill(process.pid, signal.SIGHUP)
        await says(b"rules_in_force")
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A folder as Kubernetes mounts a ConfigMap: files are links through `..data`."""
    (tmp_path / "..first").mkdir()
    (tmp_path / "..first" / "rule.yaml").write_text(RULE)
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "rule.yaml").symlink_to("..data/rule.yaml")
    return tmp_path


def test_a_swapped_mount_shows(mount: Path) -> None:
    before = stamp([mount])
    (mount / "..second").mkdir()
    (mount / "..second" / "rule.yaml").write_text(RULE)
    (mount / "..new").symlink_to("..second")
    (mount / "..new").rename(mount / "..data")
    assert stamp([mount]) != before


def test_what_is_not_there_has_a_stamp_too(tmp_path: Path) -> None:
    assert stamp([tmp_path / "missing"]) == ()


async def test_a_rule_whose_target_cannot_be_opened_is_shown_until_it_is_gone(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    file = tmp_path / "rules" / "other.yaml"
    async with running_scaler(settings) as http:
        await status_of(http, settled)
        assert (await samples(http))["tidegate_scaler_rule_not_started['web']"] == 0
        settings.logs.rename(tmp_path / "elsewhere")
        settings.logs.write_text("no folder")
        values = {"app": APP, "first": 1, "last": 4, "folder": tmp_path}
        documents = (RULE.replace("web", "other"), POOL % values)
        file.write_text("---\n".join(document.replace("shop", "spare") for document in documents))
        status = await status_of(http, lambda status: status["not_started"])
        assert list(status["rules"]) == ["web"]
        assert status["not_started"]["other"].startswith(f"--logs {settings.logs}: File exists")
        async with http.get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "not started: other\n")
        assert (await samples(http))["tidegate_scaler_rule_not_started['other']"] == 1
        file.unlink()
        await status_of(http, lambda status: not status["not_started"])
        async with http.get("/readyz") as response:
            assert response.status == 200
        assert "tidegate_scaler_rule_not_started['other']" not in await samples(http)


class PlansTaken:
    """Stands for a crew: remembers the plans that it was given, and may be slow to take them."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.taken = 0
        self.takes: Callable[[], Any] = lambda: asyncio.sleep(0)

    async def follow(self, plan: Plan) -> None:
        self.taken += 1
        await self.takes()


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> PlansTaken:
    monkeypatch.setattr(reload, "WATCH_EVERY_S", 0.0)
    monkeypatch.setattr(reload, "remake_plan", lambda settings, before: before)
    return PlansTaken()


async def test_a_file_that_is_being_written_is_read_when_it_is_finished(
    tmp_path: Path, crew: PlansTaken, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    written = ["whole", "a quarter", "half", "nearly", "new"]

    def look(paths: object) -> Stamp:
        looks.append(written.pop(0) if len(written) > 1 else written[0])
        return ((looks[-1], (0, 0, 0, 0)),)

    monkeypatch.setattr(reload, "stamp", look)
    reloader = Reloader(ScalerSettings(rules=(tmp_path,)), cast("Crew", crew))
    seen_when_taken: list[list[str]] = []
    crew.takes = lambda: asyncio.sleep(0, seen_when_taken.append(list(looks)))
    async with asyncio.timeout(20), reloader.watching():
        while len(looks) < 10:
            await asyncio.sleep(0.001)
    assert crew.taken == 1
    assert seen_when_taken[0] == ["whole", "a quarter", "half", "nearly", "new", "new", "new"]


async def test_the_end_is_heard_while_a_store_is_asked_for_what_new_rules_remember(
    tmp_path: Path, crew: PlansTaken
) -> None:
    asked = asyncio.Event()

    async def lose_a_cancellation() -> None:
        """As the store's client does on Python 3.11."""
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    crew.takes = lose_a_cancellation
    reloader = Reloader(ScalerSettings(rules=(tmp_path,)), cast("Crew", crew))
    async with asyncio.timeout(20):
        async with reloader.watching():
            reloader.ask()
            await asked.wait()
