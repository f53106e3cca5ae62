"""A pool of real processes: it starts, serves, drains, survives crashes and ends."""

import asyncio
import re
import signal
import socket
from pathlib import Path

import pytest

from autoscaler.errors import TargetError
from autoscaler.instrumentation.events import (
    EndpointsNotWritten,
    ReplicaExited,
    ReplicaNotStarted,
    ReplicaStarted,
)
from autoscaler.targets.base import TargetState
from autoscaler.targets.replica import PoolTimings
from tests.autoscaler.fakes import Recorder, until
from tests.autoscaler.pools import COMMAND, TIMINGS, endpoints, post, running_pool
from tests.ports import free_row, is_free


async def test_ready_replicas_stand_in_the_endpoints_file(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(4)
    async with running_pool(tmp_path, recorder, replicas=2, first=first) as pool:
        assert endpoints(tmp_path) == []
        assert await pool.current() == TargetState(2, 0, ())
        await until(lambda: len(endpoints(tmp_path)) == 2)
        state = await pool.current()
        assert (state.replicas, state.ready, list(state.endpoints)) == (2, 2, endpoints(tmp_path))
        assert set(state.endpoints) == {f"http://127.0.0.1:{first}", f"http://127.0.0.1:{first + 1}"}
    assert endpoints(tmp_path) == []


async def test_a_stopped_pool_leaves_no_process(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(2)
    async with running_pool(tmp_path, recorder, replicas=2, ports=2, first=first):
        await until(lambda: len(endpoints(tmp_path)) == 2)
    assert is_free(first)
    assert is_free(first + 1)
    assert [(event.code, event.restart_in_s) for event in recorder.of(ReplicaExited)] == [(0, None)] * 2


async def test_the_newest_replicas_are_stopped_first(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: len(endpoints(tmp_path)) == 1)
        oldest = endpoints(tmp_path)
        await pool.scale(3)
        await until(lambda: len(endpoints(tmp_path)) == 3)
        await pool.scale(1)
        assert endpoints(tmp_path) == oldest
        await until(lambda: len(recorder.of(ReplicaExited)) == 2)
        stopped = {event.url for event in recorder.of(ReplicaExited)}
        assert stopped == {event.url for event in recorder.of(ReplicaStarted)[1:]}


async def test_a_replica_leaves_the_endpoints_file_before_it_is_asked_to_end(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with running_pool(tmp_path, recorder, replicas=1, ports=1) as pool:
        await until(lambda: len(endpoints(tmp_path)) == 1)
        await pool.scale(0)
        assert endpoints(tmp_path) == []
        left_at_s = (tmp_path / "endpoints").stat().st_mtime
        await until(lambda: bool(recorder.of(ReplicaExited)))
    (log,) = (tmp_path / "logs").iterdir()
    goodbye = re.search(r"asked to end at ([\d.]+)", log.read_text())
    assert goodbye is not None
    assert float(goodbye[1]) - left_at_s > TIMINGS.drain_s * 0.9


async def test_a_replica_that_does_not_end_is_killed_after_the_grace(
    tmp_path: Path, recorder: Recorder
) -> None:
    stubborn = (*COMMAND, "--stubborn")
    async with running_pool(tmp_path, recorder, replicas=1, command=stubborn, grace=0.2) as pool:
        await until(lambda: len(endpoints(tmp_path)) == 1)
        await pool.scale(0)
        await until(lambda: bool(recorder.of(ReplicaExited)))
    assert recorder.of(ReplicaExited)[0].code == -signal.SIGKILL


async def test_a_crashed_replica_leaves_at_once_and_comes_back(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=2) as pool:
        await until(lambda: len(endpoints(tmp_path)) == 2)
        victim = endpoints(tmp_path)[0]
        await post(f"{victim}/crash")
        await until(lambda: bool(recorder.of(ReplicaExited)))
        (crash,) = recorder.of(ReplicaExited)
        assert (crash.url, crash.code, crash.restart_in_s) == (victim, 3, TIMINGS.backoff_s)
        await until(lambda: len(recorder.of(ReplicaStarted)) == 3)
        await until(lambda: len(endpoints(tmp_path)) == 2)
        assert (await pool.current()).replicas == 2


async def test_what_always_crashes_is_tried_ever_less_often(tmp_path: Path, recorder: Recorder) -> None:
    command = ("/bin/sh", "-c", "exit 9", "{port}")
    async with running_pool(tmp_path, recorder, replicas=1, command=command):
        await until(lambda: len(recorder.of(ReplicaExited)) >= 4)
    assert [event.restart_in_s for event in recorder.of(ReplicaExited)][:4] == [0.05, 0.1, 0.2, 0.2]


async def test_a_replica_in_its_backoff_is_the_first_to_go(tmp_path: Path, recorder: Recorder) -> None:
    patient = PoolTimings(backoff_s=3600.0, backoff_limit_s=3600.0)
    async with running_pool(tmp_path, recorder, replicas=2, timings=patient) as pool:
        await until(lambda: len(endpoints(tmp_path)) == 2)
        oldest, newest = (event.url for event in recorder.of(ReplicaStarted))
        await post(f"{oldest}/crash")
        await until(lambda: endpoints(tmp_path) == [newest])
        await until(lambda: bool(recorder.of(ReplicaExited)))
        await pool.scale(1)
        assert endpoints(tmp_path) == [newest]


async def test_a_replica_which_says_it_is_not_ready_gets_no_requests(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with running_pool(tmp_path, recorder, replicas=1):
        await until(lambda: len(endpoints(tmp_path)) == 1)
        (url,) = endpoints(tmp_path)
        await post(f"{url}/ready/no")
        await until(lambda: endpoints(tmp_path) == [])
        await post(f"{url}/ready/yes")
        await until(lambda: endpoints(tmp_path) == [url])
    assert len(recorder.of(ReplicaStarted)) == 1


async def test_busy_ports_are_left_out(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(2)
    with socket.create_server(("127.0.0.1", first)):
        async with running_pool(tmp_path, recorder, replicas=1, ports=2, first=first):
            await until(lambda: len(endpoints(tmp_path)) == 1)
            assert endpoints(tmp_path) == [f"http://127.0.0.1:{first + 1}"]


async def test_without_a_free_port_a_replica_waits_for_one(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(1)
    with socket.create_server(("127.0.0.1", first)) as squatter:
        async with running_pool(tmp_path, recorder, replicas=1, ports=1, first=first):
            await until(lambda: bool(recorder.of(ReplicaNotStarted)))
            assert recorder.of(ReplicaNotStarted)[0].error == "no free port"
            squatter.close()
            await until(lambda: len(endpoints(tmp_path)) == 1)


async def test_more_replicas_than_ports_are_refused(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(2)
    async with running_pool(tmp_path, recorder, replicas=0, ports=2, first=first) as pool:
        with pytest.raises(TargetError) as caught:
            await pool.scale(3)
    assert str(caught.value) == f"ProcessPool shop has 2 ports ({first}-{first + 1}), too few for 3 replicas"


async def test_a_command_that_does_not_exist_says_so_in_the_replicas_log(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with running_pool(tmp_path, recorder, replicas=1, ports=1, command=("/no/such/shop", "{port}")):
        await until(lambda: bool(recorder.of(ReplicaExited)))
    assert recorder.of(ReplicaExited)[0].code == 127
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().splitlines()[0] == "cannot start '/no/such/shop': No such file or directory"


async def test_what_a_replica_prints_is_in_its_log(tmp_path: Path, recorder: Recorder) -> None:
    first = free_row(1)
    async with running_pool(tmp_path, recorder, replicas=1, ports=1, first=first):
        await until(lambda: len(endpoints(tmp_path)) == 1)
    log = tmp_path / "logs" / f"shop-{first}.log"
    assert log.read_text().startswith(f"replica on port {first}\n")


async def test_watchers_hear_of_every_change_at_once(tmp_path: Path, recorder: Recorder) -> None:
    seen: list[tuple[int, int]] = []
    async with running_pool(tmp_path, recorder, replicas=1) as pool:

        async def follow() -> None:
            async for state in pool.watch():
                counts = (state.replicas, state.ready)
                seen.append(counts)

        watcher = asyncio.create_task(follow())
        await until(lambda: seen[-1:] == [(1, 1)])
        await pool.scale(2)
        await until(lambda: seen[-1:] == [(2, 2)])
        await pool.scale(1)
        await until(lambda: seen[-1:] == [(1, 1)])
        watcher.cancel()
    assert seen[0] == (1, 0)
    assert (2, 1) in seen


async def test_an_endpoints_file_that_cannot_be_written_is_reported_and_tried_again(
    tmp_path: Path, recorder: Recorder
) -> None:
    (tmp_path / "etc").write_text("not a folder")
    path = tmp_path / "etc" / "endpoints"
    async with running_pool(tmp_path, recorder, replicas=0, endpoints=str(path)) as pool:
        assert len(recorder.of(EndpointsNotWritten)) == 1
        (tmp_path / "etc").unlink()
        await pool.current()
        assert path.read_text() == ""


async def test_what_a_replica_leaves_behind_ends_with_it(tmp_path: Path, recorder: Recorder) -> None:
    marker = tmp_path / "child"
    command = (
        "/bin/sh",
        "-c",
        f"sleep 1000 & echo $! > {marker}.new; mv {marker}.new {marker}; exit 1",
        "{port}",
    )
    async with running_pool(tmp_path, recorder, replicas=1, command=command):
        await until(lambda: bool(recorder.of(ReplicaExited)))
    child = marker.read_text().strip()
    await until(lambda: not is_running(child))


def is_running(pid: str) -> bool:
    """A process that has ended and is not yet reaped by its new parent does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
