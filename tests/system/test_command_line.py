"""Mistakes on the command line: one clear line, a status that is not 0, no traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from rulebook.addresses import LOOPBACK
from tidegate.cli import app
from tidegate.console_options import console_of
from waitingroom.settings import QueueSettings

ONSALE = """
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: cactus}
spec:
  shop: https://shop.example.org/
  admission: {rate: 5/s}
"""

POOL = """
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: shop}
spec: {command: [shop, "{port}"], ports: {from: 9101, to: 9102}}
"""


def tidegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    base = ["--onsales", str(folder), "--keys", str(folder / "keys"), "--room-url", "http://127.0.0.1:1"]
    return tidegate("queue", "serve", *base, *arguments)


def assert_mistake(done: subprocess.CompletedProcess[str], *words: str, problems: int = 1) -> None:
    """Check that each problem is one line on standard error, and that they hold `words`."""
    assert done.returncode not in {0, 1, -15}, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == problems, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["demo", "--buyers", "-1"], ["buyers"], id="buyers below 1"),
        pytest.param(["demo", "--buyers", "many"], ["--buyers", "integer"], id="buyers no number"),
        pytest.param(["demo", "--seconds", "0"], ["seconds"], id="no time"),
        pytest.param(["scaler", "run", "--rules", "/nowhere"], ["/nowhere"], id="no rules"),
        pytest.param(
            ["scaler", "run", "--rules", ".", "--listen", "here"], ["--listen", "HOST:PORT"], id="no address"
        ),
        pytest.param(["nonsense"], ["nonsense"], id="no such command"),
    ],
)
def test_a_mistake_is_named_in_one_line(arguments: list[str], words: list[str]) -> None:
    assert_mistake(tidegate(*arguments), *words)


def test_a_broken_document_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "onsale.yaml").write_text(ONSALE.replace("rate: 5/s", "rat: 5/s"))
    assert_mistake(serve(tmp_path), "onsale.yaml:7:", "did you mean rate?", problems=2)


def test_an_unreadable_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "onsale.yaml").write_bytes(b"\xff\xfe\x00")
    assert_mistake(serve(tmp_path), "onsale.yaml")


def test_a_folder_without_onsales_is_named(tmp_path: Path) -> None:
    assert_mistake(serve(tmp_path), str(tmp_path), "holds no *.yaml")
    (tmp_path / "pool.yaml").write_text(POOL)
    assert_mistake(serve(tmp_path), str(tmp_path), "no document of kind Onsale")


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    (tmp_path / "onsale.yaml").write_text(ONSALE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert_mistake(serve(tmp_path, "--listen", address), address, "in use")


def test_a_store_address_of_no_known_form_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "onsale.yaml").write_text(ONSALE)
    done = serve(tmp_path, "--store", "http://user:secret@example.org")
    assert_mistake(done, "store", "redis://")
    assert "secret" not in done.stderr


def test_a_gate_needs_a_shop(tmp_path: Path) -> None:
    assert_mistake(serve(tmp_path, "--gate", "127.0.0.1:1"), "--upstream")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--room-url", "nonsense"], ["--room-url", "'nonsense'", "https://"], id="no address"),
        pytest.param(["--room-url", "https://q.example.org/a"], ["--room-url", "no path"], id="a path"),
        pytest.param(["--room-url", "https://q.example.org?a"], ["--room-url", "no query"], id="a query"),
        pytest.param(["--upstream", "http://127.0.0.1:1"], ["--upstream", "--gate"], id="a shop, no gate"),
        pytest.param(
            ["--gate", "127.0.0.1:2", "--upstream", "shop"],
            ["--upstream", "'shop'"],
            id="no address of a shop",
        ),
        pytest.param(
            ["--free-host", "https://www.example.org"],
            ["free host 'https://www.example.org'", "without scheme and port"],
            id="an address for a host",
        ),
        pytest.param(["--keys", __file__], [__file__, "name a folder"], id="keys in a file"),
        pytest.param(
            ["--listen", "nobody.invalid:80"], ["nobody.invalid:80", "choose another"], id="no host"
        ),
    ],
)
def test_a_wrong_option_of_serve_is_named(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "onsale.yaml").write_text(ONSALE)
    done = serve(tmp_path, *arguments)
    assert_mistake(done, *words)
    assert "Unknown error" not in done.stderr


def test_the_version_is_printed() -> None:
    done = tidegate("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("tidegate ")


@pytest.mark.parametrize(
    ("variable", "flags", "trusted"),
    [
        pytest.param(None, [], LOOPBACK, id="neither"),
        pytest.param("", [], LOOPBACK, id="an empty variable"),
        pytest.param("172.16.80.1 10.0.0.0/8", [], ("172.16.80.1", "10.0.0.0/8"), id="several in a variable"),
        pytest.param("172.16.80.1", ["--trusted-proxy", "10.1.1.1"], ("10.1.1.1",), id="a flag over it"),
    ],
)
def test_who_speaks_for_buyers_is_named_by_flag_or_variable(
    variable: str | None, flags: list[str], trusted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[QueueSettings] = []
    monkeypatch.setattr("tidegate.cli.run_service", lambda _, settings: served.append(settings))
    monkeypatch.setattr("tidegate.cli.configure_logs", lambda *_: None)
    monkeypatch.delenv("TIDEGATE_TRUSTED_PROXY", raising=False)
    if variable is not None:
        monkeypatch.setenv("TIDEGATE_TRUSTED_PROXY", variable)
    app(
        ["queue", "serve", "--onsales", ".", "--keys", ".", "--room-url", "http://127.0.0.1:1", *flags],
        standalone_mode=False,
    )
    assert served[0].trusted_proxies == trusted


def test_a_scaler_without_a_console_bears_the_variable_of_the_room_beside_it() -> None:
    assert console_of(None, None, ["172.16.80.1"], None, None) is None
    with pytest.raises(typer.BadParameter, match="console"):
        console_of(None, "https://ops.example.org", None, None, None)
