"""Several workers, one port: whichever a scrape meets, it shows what all of them did."""

import os
import signal
import time

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.system.test_queue_workers import JSON, Queue, queue

__all__ = ["queue"]

STATUS = ("tidegate_queue_requests_total", "status")


def scrape(queue: Queue) -> dict[tuple[str, ...], float]:
    text = requests.get(f"{queue.address}/metrics", timeout=60).text
    return {
        (sample.name, *(value for name, value in sample.labels.items() if name != "onsale")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def until_shown_everywhere(queue: Queue, asked: int) -> None:
    """Wait until ten scrapes, each by a connection of its own, show so many statuses."""
    deadline = time.monotonic() + 60
    while (shown := {scrape(queue)[STATUS] for _ in range(10)}) != {asked}:
        assert time.monotonic() < deadline, (shown, scrape(queue), queue.log.read_text())


def test_all_workers_show_what_each_of_them_answered(queue: Queue) -> None:
    queue.wait_for(lambda: queue.log.read_text().count("room_listening") == 2)
    cookies = requests.post(f"{queue.address}/cactus/join", headers=JSON, timeout=60).cookies
    for _ in range(30):  # each by a connection of its own, so that both workers get some
        answer = requests.get(f"{queue.address}/cactus/status", headers=JSON, cookies=cookies, timeout=60)
        assert answer.status_code == 200, answer.text
    until_shown_everywhere(queue, 30)
    queue.wait_for(lambda: scrape(queue)["tidegate_queue_joins_total",] == 1)

    assert "worker_ended" not in queue.log.read_text()
    before = queue.workers()
    for victim in before:
        os.kill(victim, signal.SIGKILL)
    queue.wait_for(lambda: len(queue.workers() - before) == 2)
    queue.wait_for(lambda: all(queue.get("/readyz") == 200 for _ in range(12)))
    until_shown_everywhere(queue, 30)  # counters go on where those who died had come to
