"""P10 with real processes: a scaler killed at any moment, a store that is gone, and the shop keeps its replicas."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rulebook.memory import Memory
from tests.autoscaler.fault_stage import Stage, open_stage, wait_for
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.autoscaler.pools import endpoints
from tests.autoscaler.running import write_documents

__all__ = ["little"]

pytestmark = pytest.mark.slow

A_WINDOW, NO_WINDOW = 3600, 0


@pytest.fixture
async def stage(tmp_path: Path, little: Cluster) -> AsyncIterator[Stage]:
    folder = tmp_path / "stage"
    folder.mkdir()
    async with open_stage(folder, little, replicas=6) as stage:
        yield stage


async def test_killed_while_a_window_holds_the_successor_holds_on(stage: Stage) -> None:
    stage.write_rule(window_s=A_WINDOW)
    await stage.remember(Memory(), replicas=6)
    stage.load(9)
    await stage.start()
    await stage.status_when(lambda rule: rule["replicas"] == 9)
    stage.load(2)
    await stage.rounds(3)
    await stage.kill()
    await stage.start()
    status = await stage.rounds(4)
    assert status["memory"]["origin"].startswith("recalled, ")
    steps = {step["name"]: step for step in status["decision"]["steps"]}
    assert steps["stabilisation"]["replicas"] == 9
    assert "start" not in steps
    assert stage.counts == [6, 9]


@pytest.mark.parametrize("done", [False, True], ids=["before the write", "after the write"])
async def test_killed_in_the_middle_of_a_scale_down_the_successor_takes_no_second_step(
    stage: Stage, done: bool
) -> None:
    stage.write_rule(window_s=NO_WINDOW)
    await stage.remember(Memory(), replicas=6)
    stage.load(6)
    await stage.start()
    await stage.rounds(2)
    fault = stage.cluster.server.faults.order(
        Fault(Kind.SLOW, times=None, resource="deployments", subresource="scale", verb="update", seconds=60)
        if not done
        else Fault(Kind.CUT_AFTER, times=None, resource="deployments", subresource="scale", verb="update")
    )
    stage.load(1)
    await wait_for(lambda: _met(fault))
    if done:
        await wait_for(lambda: _is(stage, 5))
    await stage.kill()
    stage.cluster.server.faults.clear()
    kept = await stage.remembered()
    assert kept is not None
    assert [change for change, _ in kept["downs"]] == [1]
    await stage.start()
    status = await stage.rounds(4)
    assert status["memory"]["origin"].startswith("recalled, ")
    assert status["decision"]["bound_by"] == "policies"
    assert stage.counts == ([6, 5] if done else [6])


async def test_a_store_that_lost_its_data_costs_no_replica(stage: Stage) -> None:
    stage.write_rule(window_s=A_WINDOW)
    stage.load(6)
    await stage.start()
    await stage.rounds(2)
    await stage.kill()
    stage.store.kill()
    stage.store.forget()
    stage.store.start()
    stage.load(1)
    await stage.start()
    status = await stage.rounds(4)
    assert status["memory"]["origin"] == "nothing was kept"
    assert status["decision"]["bound_by"] == "start"
    assert "what came before is not remembered" in status["decision"]["reason"]
    assert stage.counts == [6]


async def test_a_store_away_at_the_start_costs_no_replica_and_is_heard_when_it_is_back(stage: Stage) -> None:
    stage.write_rule(window_s=NO_WINDOW)
    stage.store.kill()
    stage.load(1)
    await stage.start()
    status = await stage.rounds(4)
    assert status["memory"]["origin"].startswith("cannot be recalled: store: ")
    assert status["decision"]["bound_by"] == "start"
    stage.load(8)
    await stage.status_when(lambda rule: rule["replicas"] == 8)
    stage.store.start()
    await stage.status_when(lambda rule: rule["memory"]["saved_at"] is not None)
    kept = await stage.remembered()
    assert kept is not None
    assert kept["replicas"] == 8
    assert stage.counts == [6, 8]


async def test_a_store_that_goes_away_in_mid_run_stops_no_round_and_costs_no_replica(stage: Stage) -> None:
    stage.write_rule(window_s=A_WINDOW)
    await stage.remember(Memory(), replicas=6)
    stage.load(9)
    await stage.start()
    await stage.status_when(lambda rule: rule["replicas"] == 9 and rule["memory"]["saved_at"])
    stage.store.kill()
    stage.load(1)
    status = await stage.status_when(lambda rule: rule["memory"]["error"])
    assert status["memory"]["error"].startswith("store: ")
    await stage.rounds(4)
    stage.store.start()
    await stage.status_when(lambda rule: not rule["memory"]["error"])
    assert await stage.remembered() is not None
    assert stage.counts == [6, 9]


async def test_memories_in_configmaps_outlive_a_kill_too(stage: Stage) -> None:
    stage.write_rule(window_s=A_WINDOW)
    options = ("--memory", "configmap", "--memory-namespace", "shop")
    stage.load(9)
    await stage.start(*options)
    await stage.status_when(lambda rule: rule["replicas"] == 9)
    saved = (await stage.status_when(lambda rule: rule["memory"]["saved_at"]))["memory"]["saved_at"]
    await stage.status_when(lambda rule: rule["memory"]["saved_at"] > saved)
    await stage.kill()
    stage.load(1)
    await stage.start(*options)
    status = await stage.rounds(4)
    assert status["memory"]["kept_in"].startswith("ConfigMaps shop/tidegate-memory-0")
    assert status["memory"]["origin"].startswith("recalled, ")
    assert stage.counts == [6, 9]


async def test_a_successor_takes_the_memory_over_with_the_lease(stage: Stage) -> None:
    stage.write_rule(window_s=A_WINDOW)
    await stage.remember(Memory(), replicas=6)
    options = ("--leader", "store", "--lease-duration", "10")
    stage.load(9)
    await stage.start(*options)
    first = stage.port
    await stage.status_when(lambda rule: rule["replicas"] == 9 and rule["memory"]["saved_at"])
    assert "\nleads, in term " in await stage.told()
    await stage.start_another(*options)

    async def stands_by() -> bool:
        return "stands by: " in await stage.told()

    await wait_for(stands_by)
    stage.load(1)
    await stage.kill(first)
    status = await stage.rounds(4)
    assert status["memory"]["origin"].startswith("recalled, ")
    steps = {step["name"]: step for step in status["decision"]["steps"]}
    assert steps["stabilisation"]["replicas"] == 9
    assert stage.counts == [6, 9]


async def test_a_pool_that_died_with_its_scaler_begins_with_the_count_it_had(
    tmp_path: Path, stage: Stage
) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    write_documents(folder)
    for file in (folder / "rules").iterdir():
        file.rename(stage.folder / "rules" / file.name)
    await stage.start()
    await stage.status_when(lambda rule: rule["ready"] == 2)
    await stage.status_when(lambda rule: rule["memory"]["saved_at"])
    await stage.kill()
    await stage.start()
    seen = set()
    status = await stage.status_when(lambda rule: rule["rounds"] > 0)
    while status["rounds"] < 4:
        seen.add(status["replicas"])
        status = await stage.rounds(1)
    assert seen == {2}
    await wait_for(lambda: _has(folder, 2))


async def _met(fault: Fault) -> bool:
    return fault.met > 0


async def _is(stage: Stage, replicas: int) -> bool:
    return await stage.replicas() == replicas


async def _has(folder: Path, count: int) -> bool:
    return len(endpoints(folder)) == count
