"""A pool of processes is restarted: all are replaced, and buyers are served all the while."""

import asyncio
from pathlib import Path

import pytest

from autoscaler.errors import TargetError
from autoscaler.targets.local import LocalPool
from tests.autoscaler.fakes import Recorder, until
from tests.autoscaler.pools import running_pool


def launches(pool: LocalPool) -> set[int]:
    return {replica.launch for replica in pool.replicas if replica.launch is not None and replica.ready}


async def test_all_processes_are_replaced_and_never_fewer_are_ready(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with running_pool(tmp_path, recorder, replicas=2) as pool:
        await until(lambda: len(launches(pool)) == 2)
        before, fewest = launches(pool), 2
        pool.restart()
        with pytest.raises(TargetError, match="being restarted already"):
            pool.restart()
        async with asyncio.timeout(60):
            while pool.rolling:
                fewest = min(fewest, len(launches(pool)))
                assert (await pool.current()).replicas == 2
                await asyncio.sleep(0.01)
        assert fewest == 2
        assert launches(pool).isdisjoint(before)
        assert len(pool.replicas) == 2


async def test_without_a_port_to_spare_one_goes_before_its_successor_comes(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with running_pool(tmp_path, recorder, replicas=2, ports=2) as pool:
        await until(lambda: len(launches(pool)) == 2)
        before = launches(pool)
        pool.restart()
        await until(lambda: not pool.rolling, 60)
        assert launches(pool).isdisjoint(before)
        assert len(launches(pool)) == 2


async def test_a_count_that_changes_in_the_middle_of_it_counts(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: len(launches(pool)) == 1)
        before = launches(pool)
        pool.restart()
        await asyncio.sleep(0)
        await pool.scale(3)
        await until(lambda: not pool.rolling and len(launches(pool)) == 3, 60)
        assert len(pool.replicas) == 3
        assert launches(pool).isdisjoint(before)


async def test_a_pool_that_ends_gives_a_restart_up(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=2) as pool:
        await until(lambda: len(launches(pool)) == 2)
        pool.restart()
    assert not pool.replicas
    with pytest.raises(TargetError, match="is not running"):
        pool.restart()
