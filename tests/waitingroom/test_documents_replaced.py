"""A document that was put in the place of another counts, however alike the two look from outside."""

import asyncio
import os
from pathlib import Path

from redis.asyncio import Redis

from tests.waitingroom.living import living
from tests.waitingroom.samples import onsale


async def test_one_of_the_same_size_and_time_is_put_in_force(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(admission={"rate": "200/s", "burst": 50})) as here:
        room, file, draft = (
            here.rooms["cactus"],
            tmp_path / "onsales" / "cactus.yaml",
            tmp_path / "draft.yaml",
        )
        before = file.stat()
        text = file.read_text()
        draft.write_text(text.replace("200/s", "300/s"))
        assert draft.read_text() != text
        assert draft.stat().st_size == before.st_size
        os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
        draft.replace(file)
        async with asyncio.timeout(30):
            while room.onsale.spec.admission.rate_per_s != 300.0:
                await asyncio.sleep(0.05)
