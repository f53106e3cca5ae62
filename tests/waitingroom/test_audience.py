"""The frames of an onsale on their way to many listeners, over real connections."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale, quiet_snapshot
from waitingroom.eta import NO_ETA
from waitingroom.frames import Frames
from waitingroom.snapshot import Line, Snapshot
from waitingroom.web.audience import Audience

SHUT = {"rate": "0.001/s", "burst": 1}
WITHIN_S = 20


def snapshot(released: int, message: str = "") -> Snapshot:
    return quiet_snapshot(at_s=1000.0 + released, lines=(Line(1, 10_000, released, 0),), message=message)


@asynccontextmanager
async def listening(frames: Frames) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.Task[None]]]:
    """Have one listener with next to no room in its sockets, and the task in which the audience keeps it."""
    audience = Audience(frames)
    staying: list[asyncio.Task[None]] = []
    served: list[asyncio.StreamWriter] = []

    def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        staying.append(asyncio.create_task(audience.stay(transport, chunked=False)))

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    async with server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, server.sockets[0].getsockname())
        # Just enough for the longest line: a reader takes twice its limit before it leaves the rest in the sockets.
        reader, writer = await asyncio.open_connection(sock=client, limit=2**18)
        try:
            async with asyncio.timeout(WITHIN_S):
                while not staying:
                    await asyncio.sleep(0)
                yield reader, staying[0]
        finally:
            frames.close()
            await asyncio.wait_for(staying[0], WITHIN_S)
            for each in (writer, *served):
                each.close()
                await each.wait_closed()


async def frame_from(reader: asyncio.StreamReader) -> dict[str, object]:
    while not (line := await reader.readline()).startswith(b"data: {"):
        assert line, "the stream has ended"
    frame: dict[str, object] = json.loads(line[6:])
    return frame


async def test_a_listener_gets_the_newest_frame_at_once_and_each_new_one() -> None:
    frames = Frames()
    frames.publish(snapshot(1), NO_ETA)
    async with listening(frames) as (reader, _):
        assert (await frame_from(reader))["lines"] == [[1, 1, 0, 10_000]]
        frames.publish(snapshot(2), NO_ETA)
        assert (await frame_from(reader))["lines"] == [[1, 2, 0, 10_000]]


async def test_a_listener_who_comes_before_the_first_frame_gets_it() -> None:
    frames = Frames()
    async with listening(frames) as (reader, _):
        frames.publish(snapshot(7), NO_ETA)
        assert (await frame_from(reader))["lines"] == [[1, 7, 0, 10_000]]


async def test_a_listener_who_takes_nothing_misses_frames_and_gets_the_newest_in_the_end() -> None:
    frames = Frames()
    long = "x" * 200_000
    async with listening(frames) as (reader, _):
        for released in range(1, 30):
            frames.publish(snapshot(released, long), NO_ETA)
            await asyncio.sleep(0.01)
        seen = [await frame_from(reader)]
        while seen[-1]["as_of"] != 1029.0:
            seen.append(await frame_from(reader))
        assert len(seen) < 29


async def test_the_audience_lets_go_when_frames_end() -> None:
    frames = Frames()
    frames.publish(snapshot(1), NO_ETA)
    async with listening(frames) as (_, staying):
        frames.close()
        await asyncio.wait_for(staying, WITHIN_S)


async def test_the_audience_lets_go_of_a_connection_that_was_closed() -> None:
    frames = Frames()
    audience = Audience(frames)
    near, far = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    staying = asyncio.create_task(audience.stay(transport, chunked=True))
    await asyncio.sleep(0)
    transport.close()
    far.close()
    frames.publish(snapshot(1), NO_ETA)
    await asyncio.wait_for(staying, WITHIN_S)


async def test_a_listener_who_takes_nothing_for_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waitingroom.web.audience.TAKEN_WITHIN_S", 0.1)
    monkeypatch.setattr("waitingroom.web.audience._LOOK_AGAIN_S", 0.01)
    frames = Frames()
    audience = Audience(frames)
    near, far = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    staying = asyncio.create_task(audience.stay(transport, chunked=True))
    await asyncio.sleep(0)
    async with asyncio.timeout(WITHIN_S):
        for released in itertools.count(1):
            frames.publish(snapshot(released, "x" * 200_000), NO_ETA)
            if (await asyncio.wait({staying}, timeout=0.02))[0]:
                break
    assert transport.is_closing()
    assert transport.get_write_buffer_size() == 0
    far.close()


async def answered(here: Living, request: bytes, until: bytes) -> bytes:
    host, _, port = here.room.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(WITHIN_S):
            return await reader.readuntil(until)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(("version", "chunked"), [("1.1", True), ("1.0", False)])
async def test_frames_are_encoded_as_the_answer_says(
    version: str, chunked: bool, tmp_path: Path, store_url: str, client: Redis
) -> None:
    request = f"GET /cactus/events HTTP/{version}\r\nHost: here\r\n\r\n".encode()
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        told = await answered(here, request, b"}\n\n")
    head, _, body = told.partition(b"\r\n\r\n")
    assert (b"transfer-encoding: chunked" in head.lower()) is chunked
    sizes = [line for line in body.split(b"\r\n") if line and b"\n" not in line]
    assert len(sizes) == (2 if chunked else 0)
    if chunked:
        frame = body.rpartition(sizes[1] + b"\r\n")[2]
        assert int(sizes[1], 16) == len(frame)


async def test_who_asks_for_the_head_alone_gets_no_frames(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    request = b"HEAD /cactus/events HTTP/1.1\r\nHost: here\r\n\r\nGET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        told = await answered(here, request, b"ok\n")
    assert b"event: line" not in told


@pytest.mark.parametrize(
    ("waiting", "within_s"),
    [
        pytest.param(0, 4, id="nobody waits"),
        pytest.param(20_000, 20, id="20,000 at 1,000 questions/s"),
        pytest.param(1_000_000, 30, id="a million"),
    ],
)
async def test_listeners_of_a_process_that_ends_are_told_to_come_back_one_after_another(
    waiting: int, within_s: int, tmp_path: Path, store_url: str, client: Redis
) -> None:
    request = b"GET /cactus/events HTTP/1.1\r\nHost: here\r\n\r\n"
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        room = here.rooms["cactus"]
        assert room.snapshot
        await client.hincrby("{cactus}:room", f"tail:{room.snapshot.epoch}", waiting)
        async with asyncio.timeout(WITHIN_S):
            while room.snapshot.tail < waiting:
                await asyncio.sleep(0.01)
        told = [await answered(here, request, b"}\n\n") for _ in range(40)]
    retries_s = [int(each.partition(b"retry: ")[2].split(b"\n")[0]) / 1000 for each in told]
    assert min(retries_s) >= 1
    assert max(retries_s) <= 1 + within_s
    # Of 40 that are spread evenly, these two are closer together once in a hundred million runs.
    assert max(retries_s) - min(retries_s) > within_s / 2
