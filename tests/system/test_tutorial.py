"""The tutorial works: everything in it is done from top to bottom, and what is shown there is seen."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_row
from tests.system.tutorial import AGAIN, Step, at_ports, matches, read_steps, tutorial
from tests.tools import need

ROOT = Path(__file__).parents[2]
PORTS = (3000, 3001, 3002, 3003, 3004, 6379, 8080, 8081, 9190)
DONE = "-- done:"
WITHIN_S = 180.0


class Terminal:
    """A shell into which is typed, and whose output is read."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            [need("bash"), "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def type(self, text: str) -> tuple[int, str]:
        """Run commands; returns the last one's status, and what all of them showed."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{text}\nprintf '\\n{DONE}%s\\n' $?\n")
        self._shell.stdin.flush()
        seen: list[str] = []
        while True:
            line = self._lines.get(timeout=WITHIN_S)
            assert line is not None, f"the shell ended:\n{''.join(seen)}"
            if line.startswith(DONE):
                return int(line.removeprefix(DONE)), "".join(seen)
            seen.append(line)

    def close(self) -> None:
        """End the shell and all that it has started."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._listener.join(WITHIN_S)
        self._shell.communicate()

    def _listen(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)
        self._lines.put(None)


@pytest.mark.slow
def test_everything_in_the_tutorial_works_from_top_to_bottom(tmp_path: Path) -> None:
    for program in ("curl", "make"):
        need(program)
    begin = free_row(len(PORTS))
    ports = dict(zip(PORTS, range(begin, begin + len(PORTS)), strict=True))
    steps = read_steps(at_ports(tutorial(), ports))
    with terminals(tmp_path, ports) as (first, second):
        for step in steps:
            take(step, tmp_path / "tidegate-tutorial", first, second)
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something listens on {port} still"


def take(step: Step, folder: Path, first: Terminal, second: Terminal) -> None:
    if step.kind == "file":
        (folder / step.file).write_text(step.text)
        return
    where = {"first": [first], "second": [second], "both": [first, second]}[step.kind]
    deadline = time.monotonic() + WITHIN_S
    while True:
        for terminal in where:
            status, shown = terminal.type(step.text)
        right = status == 0 and (step.shows is None or matches(shown, step.shows))
        if right or not step.repeats or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert right, f"{step.text}\nstatus {status}, showed\n{shown}\nand not\n{step.shows}"


@contextmanager
def terminals(home: Path, ports: dict[int, int]) -> Iterator[tuple[Terminal, Terminal]]:
    """Open two terminals in a copy of the repository which has been installed into this very environment."""
    checkout = home / "checkout"
    checkout.mkdir()
    for part in ("Makefile", "pyproject.toml", "constraints.txt", "deploy", "queue", "rules", "scaler"):
        (checkout / part).symlink_to(ROOT / part)
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (checkout / ".venv" / ".installed").touch()
    # What is a default on the page is another port here, like all that is written out.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")} | {
        "HOME": str(home),
        "TIDEGATE_STORE": f"redis://127.0.0.1:{ports[6379]}/0",
        "TIDEGATE_LISTEN": f"127.0.0.1:{ports[8080]}",
        "TIDEGATE_ADMIN_URL": f"http://127.0.0.1:{ports[8080]}",
        "TIDEGATE_SCALER_LISTEN": f"127.0.0.1:{ports[9190]}",
        "TIDEGATE_SCALER_URL": f"http://127.0.0.1:{ports[9190]}",
    }
    first = Terminal(checkout, environment)
    second = Terminal(checkout, environment)
    try:
        yield first, second
    finally:
        first.close()
        second.close()


def test_files_commands_and_what_they_show_are_told_apart() -> None:
    page = (
        "Save this as `a.yaml`:\n\n```yaml\nx: 1\n```\n\n```sh\n# terminal 1\nserve &\n```\n\n"
        "```sh\nask\n```\n\n```text\nyes\n```\n"
    )
    assert read_steps(page) == [
        Step("file", "x: 1\n", "a.yaml"),
        Step("first", "# terminal 1\nserve &\n"),
        Step("second", "ask\n", shows="yes\n"),
    ]
    with pytest.raises(ValueError, match="what is to be done"):
        read_steps("```json\n{}\n```\n")


def test_an_output_is_compared_but_for_its_placeholders() -> None:
    assert matches("a 12 b\nmany\nlines\nend\n\n", "a ... b\n...\nend\n")
    assert matches("name   shop  \n", "name shop\n")
    assert not matches("a 12 c\n", "a ... b\n")
    assert not matches("a b\nmore\n", "a b\n")


def test_ports_are_replaced_wherever_they_stand() -> None:
    page = "http://127.0.0.1:8080/ --port 6379 from: 3001, 13001 1.8080"
    assert at_ports(page, {8080: 1, 6379: 2, 3001: 3}) == "http://127.0.0.1:1/ --port 2 from: 3, 13001 1.8080"


def test_the_page_says_what_is_repeated() -> None:
    steps = read_steps(tutorial())
    assert sum(step.repeats for step in steps) == tutorial().count(AGAIN) >= 4
    assert {step.kind for step in steps} == {"file", "first", "second", "both"}
