"""The network before a store: slow, cut in silence, reset, and whole again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.relay import Relay, relaying
from tests.chaos.watching import ping
from tests.relays import listening

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


@asynccontextmanager
async def an_echo_behind_a_relay() -> AsyncIterator[tuple[Relay, Connection]]:
    async with listening(echo) as port, relaying(port) as relay:
        connection = await asyncio.open_connection("127.0.0.1", relay.port)
        try:
            yield relay, connection
        finally:
            connection[1].close()


async def ask(connection: Connection, text: bytes) -> bytes:
    reader, writer = connection
    writer.write(text)
    return await reader.readline()


async def test_what_is_said_arrives_and_is_answered() -> None:
    async with an_echo_behind_a_relay() as (_, connection):
        assert await ask(connection, b"one\n") == b"one\n"


async def test_each_way_takes_its_time() -> None:
    async with an_echo_behind_a_relay() as (relay, connection):
        relay.delay_s = 0.1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await ask(connection, b"one\n") == b"one\n"
        assert loop.time() - begun >= 0.2


async def test_a_silent_cut_holds_everything_back_and_loses_nothing() -> None:
    async with an_echo_behind_a_relay() as (relay, connection):
        relay.cut(silently=True)
        asking = asyncio.create_task(ask(connection, b"one\n"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asking), 0.1)
        relay.mend()
        assert await asking == b"one\n"


async def test_a_reset_ends_connections_and_refuses_new_ones_until_it_is_mended() -> None:
    async with an_echo_behind_a_relay() as (relay, connection):
        assert await ask(connection, b"one\n") == b"one\n"
        relay.cut(silently=False)
        with pytest.raises(ConnectionResetError):
            await ask(connection, b"two\n")
        with pytest.raises(ConnectionResetError):
            await ask(await asyncio.open_connection("127.0.0.1", relay.port), b"three\n")
        relay.mend()
        fresh = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await ask(fresh, b"four\n") == b"four\n"
        fresh[1].close()


async def test_the_end_of_one_side_is_the_end_of_the_other() -> None:
    async with an_echo_behind_a_relay() as (_, (reader, writer)):
        writer.write_eof()
        assert await reader.read() == b""


async def test_what_passes_is_counted_and_nothing_does_while_it_is_cut() -> None:
    async with an_echo_behind_a_relay() as (relay, connection):
        await ask(connection, b"one\n")
        assert relay.passed_bytes == 8
        relay.cut(silently=True)
        asking = asyncio.create_task(ask(connection, b"two\n"))
        assert await ping(relay.port, within_s=0.1) is None
        assert relay.passed_bytes == 8
        relay.mend()
        await asking
        relay.cut(silently=False)
        counted = relay.passed_bytes
        assert await ping(relay.port) is None
        assert relay.passed_bytes == counted


async def test_a_connection_that_was_on_its_way_when_the_network_was_cut_is_reset_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with an_echo_behind_a_relay() as (relay, _):
        connect = asyncio.open_connection

        async def cut_meanwhile(*address: object) -> Connection:
            opened = await connect(*address)
            relay.cut(silently=False)
            return opened

        monkeypatch.setattr("tests.chaos.relay.asyncio.open_connection", cut_meanwhile)
        late = await connect("127.0.0.1", relay.port)
        with pytest.raises(ConnectionResetError):
            await ask(late, b"one\n")
        late[1].close()
