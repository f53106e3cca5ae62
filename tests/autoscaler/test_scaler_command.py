"""`tidegate scaler run --once` and `tidegate scaler status`, with a real scaler that runs real replicas."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.autoscaler.running import RULE, running_scaler, write_documents
from tests.autoscaler.test_reload import settled, status_of
from tests.relays import listening


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
        url = str(http._base_url).rstrip("/")
        code, output, _ = await tidegate("scaler", "status", "--url", url)
        assert code == 0
        header, row = output.splitlines()
        assert header.split() == [
            "rule",
            "target",
            "ready",
            "replicas",
            "bound",
            "by",
            "admits",
            "round",
            "state",
        ]
        assert row.split()[:5] == ["web", "ProcessPool", "shop", "2", "2"]
        assert "10/s" in row
        assert row.split()[-1] == "ok"

        code, output, _ = await tidegate("scaler", "status", "web", "--url", url)
        assert code == 0
        assert output.startswith("web: ProcessPool shop, every 0.5 s")
        for part in (
            "signals ask for",
            "  * ",
            "onsale cactus was told 10/s",
            "memory in the store: nothing was kept",
        ):
            assert part in output

        code, output, _ = await tidegate("scaler", "status", "--url", url, "--json")
        assert set(json.loads(output)["rules"]) == {"web"}
        code, output, _ = await tidegate("scaler", "status", "web", "--url", url, "--json")
        assert json.loads(output)["target"] == "ProcessPool shop"

        code, _, errors = await tidegate("scaler", "status", "shop", "--url", url)
        assert (code, errors) == (
            1,
            f"tidegate: the scaler at {url} does not run rule shop; it runs: web\n",
        )


async def test_status_shows_what_is_out_of_the_ordinary(tmp_path: Path) -> None:
    more = "  interval: 500ms\n  paused: {replicas: 3}\n  dryRun: true"
    settings = write_documents(tmp_path, rule=RULE.replace("  interval: 500ms", more))
    file = tmp_path / "rules" / "rule.yaml"
    async with running_scaler(settings) as http:
        await status_of(http, lambda status: status["rules"]["web"]["decision"])
        file.write_text(RULE.replace("perReplica", "perReplicas"))
        await status_of(http, lambda status: status["documents"]["problems"])
        url = str(http._base_url).rstrip("/")
        _, output, _ = await tidegate("scaler", "status", "--url", url)
        assert "paused at 3, dry run, last good form" in output
        assert f"not in force: {file}:" in output
        assert "did you mean perReplica?" in output
        _, output, _ = await tidegate("scaler", "status", "web", "--url", url)
        assert "memory in the store: cannot be recalled: store: " in output
        assert f"not in force: {file}:" in output


async def test_status_says_so_where_no_scaler_answers() -> None:
    code, output, errors = await tidegate("scaler", "status", "--url", "http://127.0.0.1:1")
    assert (code, output) == (3, "")
    assert errors == "tidegate: no scaler answers at http://127.0.0.1:1: [Errno 111] Connection refused\n"


@pytest.mark.parametrize("body", ["<html>sign in</html>", "{}", '{"now": 1, "rules": {"web": {}}}', "[]"])
async def test_status_is_not_fooled_by_another_server(body: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    async with listening(answer) as port:
        code, _, errors = await tidegate("scaler", "status", "--url", f"http://127.0.0.1:{port}")
    assert code == 3
    assert errors.startswith(f"tidegate: no scaler answers at http://127.0.0.1:{port}: ")
    assert errors.count("\n") == 1


async def test_watching_goes_on_when_the_scaler_comes_and_goes(tmp_path: Path) -> None:
    settings = write_documents(tmp_path)
    async with running_scaler(settings) as http:
        url = str(http._base_url).rstrip("/")
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
