"""On SIGTERM `tidegate queue serve` takes nothing new and finishes what is under way."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.ports import free_port
from tests.stores import Valkey

ONSALE = """
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: cactus}
spec:
  shop: https://shop.example.org/
  bypass: [{path: /slow}]
  admission: {rate: 1/s}
"""


class SlowShop:
    """A shop which answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.asked.set()
                shop.answer.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"sold")

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.answer.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def shop() -> Iterator[SlowShop]:
    shop = SlowShop()
    yield shop
    shop.close()


def wait_for(met: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=30).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_under_way_is_finished_before_the_end(shop: SlowShop, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name, ThreadPoolExecutor(1) as pool:
        folder = Path(name)
        store = Valkey(folder)
        store.start()
        (folder / "onsales").mkdir()
        (folder / "onsales" / "cactus.yaml").write_text(ONSALE)
        room, gate = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        arguments = ["--onsales", str(folder / "onsales"), "--keys", str(folder / "keys")]
        arguments += ["--store", store.url, "--room-url", f"http://{room}", "--listen", room]
        arguments += ["--gate", gate, "--upstream", shop.url, "--workers", str(workers)]
        log = folder / "log"
        with log.open("w") as output:
            command = [sys.executable, "-m", "tidegate", "queue", "serve", *arguments]
            process = subprocess.Popen(command, stderr=output)
        try:
            wait_for(lambda: answers(f"http://{room}/readyz"), log)
            under_way = pool.submit(requests.get, f"http://{gate}/slow", timeout=60)
            assert shop.asked.wait(60)
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: "queue_stopping" in log.read_text(), log)
            shop.answer.set()
            answer = under_way.result(timeout=60)
            assert (answer.status_code, answer.text) == (200, "sold")
            assert process.wait(timeout=60) == 0, log.read_text()
            assert not answers(f"http://{room}/healthz")
        finally:
            shop.answer.set()
            process.kill()
            process.wait()
            store.stop()
