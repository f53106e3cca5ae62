"""`tidegate queue serve`: workers share an address, follow changed documents, drain on SIGTERM."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.ports import free_port
from tests.stores import Valkey

ONSALE = """
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: NAME}
spec:
  shop: https://shop.example.org/
  admission: {rate: 0.01/s}
"""
JSON = {"Accept": "application/json"}


class Queue:
    """A running `tidegate queue serve`."""

    def __init__(self, folder: Path, store: str, workers: int) -> None:
        self.onsales = folder / "onsales"
        self.onsales.mkdir()
        self.write("cactus")
        self.address = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "log"
        arguments = ["--onsales", str(self.onsales), "--keys", str(folder / "keys"), "--store", store]
        arguments += ["--room-url", self.address, "--listen", self.address[7:], "--workers", str(workers)]
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "tidegate", "queue", "serve", "--insecure-cookies", *arguments]
            self.process = subprocess.Popen(command, stderr=log)

    def write(self, name: str, text: str = ONSALE) -> None:
        draft = self.onsales / f".{name}"
        draft.write_text(text.replace("NAME", name))
        draft.rename(self.onsales / f"{name}.yaml")

    def get(self, path: str) -> int:
        try:
            return requests.get(self.address + path, headers=JSON, timeout=30).status_code
        except (requests.ConnectionError, requests.Timeout):
            return 0

    def times(self, event: str) -> int:
        """Count how often something happened, in any worker: which of them answers a request is not for us to say."""
        return len(re.findall(rf"\b{event}\b", self.log.read_text()))

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def wait_for(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not met():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)


@pytest.fixture
def queue() -> Iterator[Queue]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        store = Valkey(Path(folder))
        store.start()
        queue = Queue(Path(folder), store.url, workers=2)
        try:
            # One of them may answer all that is asked.
            queue.wait_for(lambda: queue.times("room_listening") == 2)
            queue.wait_for(lambda: all(queue.get("/readyz") == 200 for _ in range(12)))
            yield queue
        finally:
            queue.process.kill()
            queue.process.wait()
            store.stop()


def test_workers_share_one_line_and_a_killed_one_is_replaced(queue: Queue) -> None:
    numbers = set()
    for _ in range(20):
        numbers.add(requests.post(f"{queue.address}/cactus/join", headers=JSON, timeout=30).json()["number"])
    assert numbers == set(range(1, 21))
    queue.wait_for(lambda: len(queue.workers()) == 2)
    before = queue.workers()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    queue.wait_for(lambda: len(queue.workers() - before) == 1 and len(queue.workers()) == 2)
    queue.wait_for(lambda: all(queue.get("/readyz") == 200 for _ in range(5)))


def test_a_new_document_opens_a_room_and_a_broken_one_changes_nothing(queue: Queue) -> None:
    assert queue.get("/dahlia/state") == 404
    queue.write("dahlia")
    queue.wait_for(lambda: queue.times("reloaded") == 2)
    assert all(queue.get("/dahlia/state") == 200 for _ in range(6))
    queue.write("dahlia", ONSALE.replace("rate:", "speed:"))
    queue.wait_for(lambda: queue.times("reload_refused") >= 2)
    assert queue.get("/dahlia/state") == 200
    (queue.onsales / "dahlia.yaml").unlink()
    queue.wait_for(lambda: queue.times("reloaded") == 4)
    assert all(queue.get("/dahlia/state") == 404 for _ in range(6))
    assert queue.get("/cactus/state") == 200


def test_sighup_has_every_worker_read_again(queue: Queue) -> None:
    before = queue.times("reloaded")
    # What has not changed would not be read again without being told.
    queue.process.send_signal(signal.SIGHUP)
    queue.wait_for(lambda: queue.times("reloaded") == before + 2)
    assert len(queue.workers()) == 2
    assert all(queue.get("/cactus/state") == 200 for _ in range(6))


def test_a_worker_that_is_told_to_read_again_while_it_starts_lives_on(queue: Queue) -> None:
    victim = min(queue.workers())
    os.kill(victim, signal.SIGKILL)
    queue.wait_for(lambda: victim not in queue.workers())
    queue.wait_for(lambda: len(queue.workers()) == 2)
    queue.process.send_signal(signal.SIGHUP)
    queue.wait_for(lambda: queue.times("room_listening") == 3)
    assert queue.times("worker_ended") == 1, queue.log.read_text()


def test_sigterm_ends_all_workers_with_status_0(queue: Queue) -> None:
    queue.process.terminate()
    assert queue.process.wait(timeout=60) == 0, queue.log.read_text()
    assert queue.get("/healthz") == 0
