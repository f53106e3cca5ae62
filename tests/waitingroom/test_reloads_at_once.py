"""Documents are read again by a signal and by a look at the files: both at once do as one would, and none ends the other."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from rulebook import Onsale
from tests.waitingroom.samples import onsale
from waitingroom import hall, serve
from waitingroom.ending import end_tasks
from waitingroom.hall import Hall
from waitingroom.settings import ListenAddress, QueueSettings


def write(folder: Path, *names: str) -> None:
    """Have these documents in the folder and no other."""
    for file in folder.iterdir():
        file.unlink()
    for name in names:
        fields = onsale(name, protect=[{"path": f"/{name}"}]).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        (folder / f"{name}.yaml").write_text(json.dumps(fields))


def open_hall(tmp_path: Path, store_url: str, client: Redis, *names: str) -> Hall:
    folder = tmp_path / "onsales"
    folder.mkdir()
    write(folder, *names)
    settings = QueueSettings(
        onsales=folder,
        store=store_url,
        keys=tmp_path / "keys",
        listen=ListenAddress("127.0.0.1", 0),
        room_url="http://127.0.0.1",
    )
    return Hall(settings, client)


async def test_two_that_close_the_same_rooms_both_succeed(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    here = open_hall(tmp_path, store_url, client, "a", "b", "c", "d")
    here.start()
    try:
        write(tmp_path / "onsales", "a", "new")
        assert await asyncio.gather(here.reload(), here.reload()) == [True, True]
        assert sorted(here.rooms) == ["a", "new"]
    finally:
        await here.stop()


async def test_the_later_look_counts_though_the_earlier_one_took_longer(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_hall(tmp_path, store_url, client, "a")
    read, written = threading.Event(), threading.Event()
    load = hall.load_onsales
    looks = []

    def slow(path: Path) -> dict[str, Onsale]:
        looks.append(path)
        found = load(path)
        if len(looks) == 1:
            read.set()
            assert written.wait(20)
        return found

    monkeypatch.setattr(hall, "load_onsales", slow)
    earlier = asyncio.create_task(here.reload())
    await asyncio.to_thread(read.wait, 20)
    write(tmp_path / "onsales", "a", "b")
    later = asyncio.create_task(here.reload())
    await asyncio.wait({later}, timeout=0.5)  # it may have to wait for the earlier one
    written.set()
    await asyncio.gather(earlier, later)
    assert sorted(here.rooms) == ["a", "b"]


async def test_a_signal_is_heeded_after_one_that_failed(
    tmp_path: Path, store_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_hall(tmp_path, store_url, client, "a")
    told, tried = asyncio.Event(), asyncio.Queue[int]()

    async def breaks() -> bool:
        tried.put_nowait(1)
        raise RuntimeError("broken")

    monkeypatch.setattr(here, "reload", breaks)
    heeding = asyncio.create_task(serve._reload_when_told(here, told))
    with capture_logs() as logs:
        for _ in range(2):
            told.set()
            await asyncio.wait_for(tried.get(), 20)
    await end_tasks([heeding])
    assert {entry["event"] for entry in logs} == {"reload_failed"}
