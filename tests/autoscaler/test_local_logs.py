"""What a local process prints: its last lines, what comes after them, and nothing that a terminal or a page would obey."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from autoscaler.errors import TargetError
from autoscaler.targets.fleet import MAX_LINE, clean_line
from autoscaler.targets.local_fleet import LocalFleet
from tests.autoscaler.fakes import Recorder, until
from tests.autoscaler.pools import post, running_pool


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"plain\r\n", "plain"),
        (b"a\tb", "a\tb"),
        (b"\x1b[1;31mred\x1b[0m \x1b[2K\x1bcend", "red end"),
        (b"bell\x07 nul\x00", "bell\ufffd nul\ufffd"),
        ("caf\u00e9 \U0001f3ab".encode(), "caf\u00e9 \U0001f3ab"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("right\u202eleft".encode(), "right\ufffdleft"),
        (b"\x1b", ""),
        (b"\x1b[31", ""),
        (b"x" * 100_000, "x" * MAX_LINE),
    ],
    ids=[
        "plain",
        "tab",
        "colours",
        "controls",
        "beyond ASCII",
        "not UTF-8",
        "direction",
        "lone",
        "cut",
        "long",
    ],
)
def test_a_line_is_shown_as_it_is_meant_to_be_read(raw: bytes, line: str) -> None:
    assert clean_line(raw) == line


async def test_a_log_is_followed_also_when_it_is_cut_or_replaced(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: pool.replicas[0].ready)
        fleet = LocalFleet(pool)
        (pod,) = await fleet.pods()
        path = tmp_path / "logs" / f"{pod.name}.log"
        with path.open("a") as file:
            file.write("one\ntwo\nthr")
        async with asyncio.timeout(60), aclosing(fleet.log(pod.name, 2, follow=True)) as lines:
            assert [await anext(lines), await anext(lines)] == ["one", "two"]
            with path.open("a") as file:
                file.write("ee\n")
            assert await anext(lines) == "three"
            path.write_text("")
            following = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            path.write_text("cut\n")
            assert await following == "cut"
            path.unlink()
            path.write_text("replaced\n")
            assert await anext(lines) == "replaced"


async def test_the_log_of_a_process_that_was_stopped_ends(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: pool.replicas[0].ready)
        fleet = LocalFleet(pool)
        (pod,) = await fleet.pods()
        async with asyncio.timeout(60), aclosing(fleet.log(pod.name, 10, follow=True)) as lines:
            assert (await anext(lines)).startswith("replica on port")
            await pool.scale(0)
            assert all("asked to end" in line for line in [line async for line in lines])


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("the last word\n")


def put_another_in_its_place(path: Path) -> None:
    path.unlink()
    path.write_text("the last word\n")


@pytest.mark.parametrize("write", [append, put_another_in_its_place])
async def test_what_is_written_as_the_last_is_not_lost(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: pool.replicas[0].ready)
        fleet = LocalFleet(pool)
        (pod,) = await fleet.pods()

        asked = iter(("at the start", "when all is read"))

        def write_and_end(pod: str) -> bool:
            if (when := next(asked, "")) == "when all is read":
                write(tmp_path / "logs" / f"{pod}.log")
            return when == "at the start"

        monkeypatch.setattr(fleet, "_runs", write_and_end)
        async with asyncio.timeout(60), aclosing(fleet.log(pod.name, 0, follow=True)) as lines:
            assert "the last word" in [line async for line in lines]


async def test_only_logs_of_the_pools_own_processes_are_opened(tmp_path: Path, recorder: Recorder) -> None:
    (tmp_path / "secret.log").write_text("a secret\n")
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: pool.replicas[0].ready)
        for name in ("../secret", "secret", "", "/etc/passwd", "shop-1"):
            with pytest.raises(TargetError, match="has no process"):
                await anext(LocalFleet(pool).log(name, 10, follow=False))


async def test_a_process_that_ends_by_itself_is_counted(tmp_path: Path, recorder: Recorder) -> None:
    async with running_pool(tmp_path, recorder, replicas=1) as pool:
        await until(lambda: pool.replicas[0].ready)
        (pod,) = await LocalFleet(pool).pods()
        assert (pod.state, pod.status, pod.restarts) == ("ready", "Running", 0)
        assert "replica_app.py" in pod.image
        await post(f"{pod.where}/crash")
        await until(lambda: pool.replicas[0].restarts == 1 and pool.replicas[0].ready)
        (pod,) = await LocalFleet(pool).pods()
        assert (pod.state, pod.restarts) == ("ready", 1)
