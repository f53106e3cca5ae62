"""A demo which is asked to stay can be looked at after its sale by whoever reads its terminal, and then ends like any other."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.system.test_demo_console import files_which_hold
from tests.system.test_demo_run import a_demo, processes_in

pytestmark = pytest.mark.slow


async def test_it_stays_until_it_is_interrupted_and_its_tokens_open_its_console(tmp_path: Path) -> None:
    said: list[str] = []
    async with a_demo(tmp_path, "--stay", "--buyers", "20", "--seconds", "5") as process:
        assert process.stdout is not None
        while "everything stays up until Ctrl-C" not in "".join(said[-1:]):
            said.append((await asyncio.wait_for(process.stdout.readline(), 240)).decode())
            assert said[-1], "".join(said)
        output = "".join(said)
        console = re.findall(r"operators' console (\S+)", output)[0]
        tokens = dict(re.findall(r"^  (operator|viewer): (\S+)$", output, re.MULTILINE))
        assert tokens.keys() == {"operator", "viewer"}
        for token, shown in ((tokens["viewer"], "Your token may look"), (tokens["operator"], "Set the mode")):
            jar = aiohttp.CookieJar(unsafe=True)
            headers = {"Origin": console.removesuffix("/console/"), "Accept": "text/html"}
            async with (
                aiohttp.ClientSession(cookie_jar=jar, headers=headers) as http,
                http.post(f"{console}sign-in", data={"token": token}) as answer,
            ):
                assert "demo-shop" in await answer.text()
                async with http.get(f"{console}services/demo-shop") as page:
                    assert shown in await page.text()
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 120)
    assert (process.returncode, errors.decode()) == (0, "")
    assert json.loads((tmp_path / "report.json").read_text())["unserved"] == 0
    assert not processes_in(tmp_path)
    assert files_which_hold(tmp_path, tokens.values()) == []
