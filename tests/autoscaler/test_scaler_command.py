"""`tidegate scaler run --once` and `tidegate scaler status`, with a real scaler that runs real replicas."""

import asyncio
import io
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from rich.console import Console, RenderableType

from tests.autoscaler.running import RULE, running_scaler, write_documents
from tests.autoscaler.test_reload import settled, status_of
from tests.relays import listening
from tidegate.scaler_status import (
    ScalerStatus,
    UnknownRule,
    Unreachable,
    fetch_status,
    render_rule,
    render_table,
)


async def tidegate(*arguments: str) -> tuple[int, str, str]:
    """Run the command line; gives status, output and errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def url_of(http: aiohttp.ClientSession) -> str:
    return str(http._base_url).rstrip("/")


def written(shown: RenderableType) -> str:
    """Write on paper that is wide enough, as a pipe is."""
    paper = io.StringIO()
    Console(file=paper, width=400).print(shown)
    return paper.getvalue()


def told_the_room(status: dict[str, Any]) -> bool:
    """Tell whether the room was told what two replicas take; it is, a moment after they are ready."""
    admission = status["rules"]["web"]["admission"]
    return admission is not None and admission["rate_per_s"] == 10


async def test_once_prints_each_decision_step_by_step(tmp_path: Path) -> None:
    write_documents(tmp_path)
    code, output, errors = await tidegate(
        *("scaler", "run", "--rules", str(tmp_path / "rules"), "--store", "redis://127.0.0.1:1", "--once"),
        *("--logs", str(tmp_path / "logs")),
    )
    lines = output.splitlines()
    assert lines[0] == "web: ProcessPool shop"
    assert any(line.startswith("    busy ") for line in lines)
    assert any(line.startswith("  * ") for line in lines)
    # No store: the room could not be told, and that is a failure of the rule.
    assert code == 1
    assert "  failed: write admission: store: " in output
    assert "Traceback" not in errors


async def test_once_ends_well_where_nothing_failed(tmp_path: Path, client: Redis, store_url: str) -> None:
    write_documents(tmp_path)
    arguments = (
        *("scaler", "run", "--rules", str(tmp_path / "rules"), "--store", store_url, "--once"),
        *("--logs", str(tmp_path / "logs")),
    )
    code, _, errors = await tidegate(*arguments)
    assert code == 0
    assert "tidegate: " not in errors
    (tmp_path / "rules" / "other.yaml").write_text(RULE.replace("name: web", "name: other"))
    code, again, errors = await tidegate(*arguments)
    assert code == 1
    assert "already belongs to rule" in errors
    assert again.splitlines()[0].endswith(": ProcessPool shop")


async def test_status_is_a_table_of_the_rules(tmp_path: Path, client: Redis, store_url: str) -> None:
    settings = replace(write_documents(tmp_path), store_url=store_url)
    async with running_scaler(settings) as http:
        await status_of(http, settled)
        await status_of(http, told_the_room)
        code, output, _ = await tidegate("scaler", "status", "--url", url_of(http))
        status = await asyncio.to_thread(fetch_status, url_of(http))
    assert code == 0
    header, row = output.splitlines()
    columns = "rule target ready replicas bound by admits round state"
    assert header.split() == columns.split()
    assert row.split()[:5] == ["web", "ProcessPool", "shop", "2", "2"]
    assert "10/s" in row
    assert row.split()[-1] == "ok"
    told = written(render_rule(status, "web"))
    assert told.startswith("web: ProcessPool shop, every 0.5 s")
    for part in (
        "signals ask for",
        "  * ",
        "onsale cactus was told 10/s",
        "memory in the store: nothing was kept",
    ):
        assert part in told
    with pytest.raises(UnknownRule, match=r"does not run rule shop; it runs: web$"):
        render_rule(status, "shop")


async def test_status_of_a_rule_is_had_as_json_too(tmp_path: Path) -> None:
    async with running_scaler(write_documents(tmp_path)) as http:
        await status_of(http, settled)
        asked = ("scaler", "status", "--url", url_of(http), "--json")
        (code, output, _), (unknown, nothing, errors) = await asyncio.gather(
            tidegate(*asked, "web"), tidegate(*asked, "shop")
        )
    assert code == 0
    assert json.loads(output)["target"] == "ProcessPool shop"
    assert (unknown, nothing) == (1, "")
    assert errors == f"tidegate: the scaler at {url_of(http)} does not run rule shop; it runs: web\n"


async def test_status_shows_what_is_out_of_the_ordinary(tmp_path: Path) -> None:
    more = "  interval: 500ms\n  paused: {replicas: 3}\n  dryRun: true"
    settings = write_documents(tmp_path, rule=RULE.replace("  interval: 500ms", more))
    file = tmp_path / "rules" / "rule.yaml"
    async with running_scaler(settings) as http:
        await status_of(http, lambda status: status["rules"]["web"]["decision"])
        file.write_text(RULE.replace("perReplica", "perReplicas"))
        await status_of(http, lambda status: status["documents"]["problems"])
        status = await asyncio.to_thread(fetch_status, url_of(http))
    table, rule = written(render_table(status)), written(render_rule(status, "web"))
    assert "paused at 3, dry run, last good form" in table
    assert f"not in force: {file}:" in table
    assert "did you mean perReplica?" in table
    assert "memory in the store: cannot be recalled: store: " in rule
    assert f"not in force: {file}:" in rule


async def test_status_says_so_where_no_scaler_answers() -> None:
    code, output, errors = await tidegate("scaler", "status", "--url", "http://127.0.0.1:1")
    assert (code, output) == (3, "")
    assert errors == (
        "tidegate: no scaler answers at http://127.0.0.1:1: Connection refused; "
        "is that what the scaler was told to --listen on?\n"
    )


async def test_an_address_that_is_none_is_a_mistake() -> None:
    code, output, errors = await tidegate("scaler", "status", "--url", "here")
    assert (code, output) == (2, "")
    assert errors == (
        "tidegate: Invalid value for --url: must be an absolute http:// or https:// address, found 'here'\n"
    )


async def test_every_mistake_in_the_documents_is_told_at_the_start(tmp_path: Path) -> None:
    write_documents(
        tmp_path, rule=RULE.replace("perReplica: 20", "perReplicas: 20").replace("min: 1", "min: 9")
    )
    code, _, errors = await tidegate("scaler", "run", "--rules", str(tmp_path / "rules"), "--once")
    file = tmp_path / "rules" / "rule.yaml"
    assert code == 2
    assert errors.startswith(f"tidegate: {file}:6:")
    assert "did you mean perReplica?" in errors.splitlines()[1]


@pytest.mark.parametrize("body", ["<html>sign in</html>", "{}", '{"now": 1, "rules": {"web": {}}}', "[]"])
async def test_status_is_not_fooled_by_another_server(body: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    async with listening(answer) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(Unreachable, match=rf"^no scaler answers at {url}: [^\n]+$"):
            await asyncio.to_thread(fetch_status, url)


async def test_watching_goes_on_when_the_scaler_comes_and_goes(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    async with running_scaler(settings) as http:
        url = url_of(http)
        await status_of(http, settled)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidegate", "scaler", "status", "--url", url, "--watch"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        lines = process.stdout
        assert lines is not None

        async def says(text: bytes) -> None:
            async with asyncio.timeout(60):
                while text not in (line := await lines.readline()):
                    assert line, "watching has ended"

        await says(b"ProcessPool shop")
        await says(b"ProcessPool shop")
    await says(b"no scaler answers at")
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130


def test_a_rule_that_was_not_started_is_named_below_the_table() -> None:
    document = {"now": 0.0, "rules": {}, "leadership": {}, "not_started": {"web": "no folder"}}
    assert "not started: web: no folder" in written(render_table(ScalerStatus("http://scaler", document)))
