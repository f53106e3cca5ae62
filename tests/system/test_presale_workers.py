"""A presale served by several real processes: one account has one place, whichever of them is asked and however often."""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.stores import Valkey
from tests.system.test_queue_workers import JSON, Queue
from tests.waitingroom.shopkeys import ISSUER, Shop

PRESALE = f"""\
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {{name: NAME}}
spec:
  shop: https://shop.example.org/
  entry: token
  entryToken: {{keysFile: shop.jwks.json, issuer: '{ISSUER}'}}
  admission: {{rate: 0.01/s}}
"""
SHOP = Shop()


@pytest.fixture
def queue() -> Iterator[Queue]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        store = Valkey(Path(folder))
        store.start()
        queue = Queue(Path(folder), store.url, workers=2)
        try:
            queue.wait_for(lambda: queue.get("/readyz") == 200)
            (queue.onsales / "shop.jwks.json").write_text(json.dumps(SHOP.published()))
            queue.write("cactus", PRESALE)
            queue.wait_for(lambda: all(join(queue, None)[0] == 401 for _ in range(40)))
            yield queue
        finally:
            queue.process.kill()
            queue.process.wait()
            store.stop()


def join(queue: Queue, token: str | None) -> tuple[int, dict[str, object]]:
    """Join on a device of its own, by a connection of its own: whichever process takes it."""
    answer = requests.post(f"{queue.address}/cactus/join", json={"token": token}, headers=JSON, timeout=30)
    return answer.status_code, answer.json()


def test_an_account_that_joins_everywhere_at_once_gets_one_place(queue: Queue) -> None:
    tokens = [SHOP.invite(f"member-{number % 4}") for number in range(80)]
    with ThreadPoolExecutor(16) as devices:
        answers = list(devices.map(lambda token: join(queue, token), tokens))
    given = sorted(int(str(document["number"])) for status, document in answers if status == 200)
    refused = {(status, document.get("reason")) for status, document in answers if status != 200}
    # Four accounts, four numbers one after the other: the 76 who were refused took none.
    assert given == list(range(given[0], given[0] + 4))
    assert refused == {(409, "held")}
