"""P6: `tidegate draw verify` asks a living room for its draw and its keys, and confirms what the buyer was shown."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.samples import onsale


async def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidegate", "draw", "verify", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)


async def test_a_buyer_verifies_the_position_at_the_rooms_address(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    sale = onsale(opens_in_s=3600, order="draw")
    async with living(tmp_path, store_url, sale) as here, here.buyer() as buyer:
        address = f"{here.room}/cactus"
        async with buyer.post(f"{address}/join") as answer:
            number = (await answer.json())["number"]
        before = await verify(address)
        await open_doors(client)
        async with asyncio.timeout(30):
            while True:
                async with buyer.get(f"{address}/status") as answer:
                    position = (await answer.json())["position"]
                if position is not None:
                    break
                await asyncio.sleep(0.02)
        place = ["--number", str(number), "--json"]
        right = await verify(f"{address}/", *place, "--position", str(position))
        wrong = await verify(address, *place, "--position", str(position + 1))
        async with buyer.get(f"{here.room}/.well-known/jwks.json") as answer:
            keys = tmp_path / "keys.json"
            keys.write_text(await answer.text())
        pinned = await verify(address, *place, "--position", str(position), "--keys", str(keys))
        elsewhere = await verify(f"{here.room}/jazz")
    assert (before.returncode, "not been published" in before.stderr) == (2, True), before
    assert (right.returncode, json.loads(right.stdout)["position"]) == (0, position), right
    assert (wrong.returncode, json.loads(wrong.stdout)["position"]) == (1, position), wrong
    assert pinned.stdout == right.stdout
    assert (elsewhere.returncode, elsewhere.stderr) == (2, f"tidegate: {here.room}/jazz/draw answers 404\n")
