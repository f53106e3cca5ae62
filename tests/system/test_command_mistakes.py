"""What people get wrong at each command: one line that says what, where and what to do; status not 0; nothing was done."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.system.test_command_line import ONSALE
from tidegate.cli import main

ROOT = Path(__file__).parents[2]
WEB = str(ROOT / "rules" / "examples" / "web" / "rule.yaml")
POOL = str(ROOT / "rules" / "examples" / "demo")
NOBODY = "http://127.0.0.1:1"
"""Nothing listens on this port."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an onsale, a folder of keys to be and a file where a folder is wanted."""
    (tmp_path / "onsale.yaml").write_text(ONSALE)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEGATE_ADMIN_TOKEN", raising=False)
    # Logging belongs to the whole process, which has other tests to run after these.
    for module in ("cli", "scaler_cli"):
        monkeypatch.setattr(f"tidegate.{module}.configure_logs", lambda *_: None)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tidegate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


SERVE = ("queue", "serve", "--onsales", "onsale.yaml", "--keys", "keys", "--room-url", NOBODY)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(
            (*SERVE, "--state", "file/state"), 2, ["state folder file/state", "--state"], id="no state folder"
        ),
        pytest.param(
            (*SERVE, "--admin-tokens", "nowhere"), 2, ["token file nowhere", "--add-to"], id="no token file"
        ),
        pytest.param(
            ("queue", "keys", "--onsales", "onsale.yaml", "--keys", "file/keys"),
            2,
            ["key folder file/keys", "name a folder"],
            id="keys below a file",
        ),
        pytest.param(
            (*SERVE, "--log-level", "loud"), 2, ["'--log-level'", "'loud'", "'debug'"], id="no level"
        ),
        pytest.param((*SERVE, "--workers", "many"), 2, ["'--workers'", "integer"], id="no number of workers"),
        pytest.param(
            ("scaler", "run", "--rules", POOL, "--logs", "file/logs", "--memory", "none", "--once"),
            2,
            ["--logs file/logs", "name a folder"],
            id="no folder for the replicas' output",
        ),
        pytest.param(("scaler", "run", "--rules", POOL, "--lead"), 2, ["--lead"], id="no such flag"),
        pytest.param(
            ("scaler", "run", "--rules", POOL, "--store", "127.0.0.1:6379"),
            2,
            ["store", "redis://"],
            id="no store",
        ),
        pytest.param(("rules", "lint", "nowhere"), 2, ["nowhere: cannot be read"], id="nothing to lint"),
        pytest.param(("rules", "explain", "onsale.yaml"), 2, ["no ScalingRule"], id="no rule to explain"),
        pytest.param(
            ("rules", "explain", WEB, "--live", NOBODY),
            2,
            [NOBODY, "Connection refused"],
            id="no scaler lives",
        ),
        pytest.param(("rules", "schema", "--check", "nowhere"), 2, ["--check nowhere"], id="no schemas"),
        pytest.param(
            ("rules", "simulate", WEB, "--trace", "nowhere", "--service-rate", "50"),
            2,
            ["--trace nowhere"],
            id="no trace",
        ),
        pytest.param(
            ("rules", "backtest", WEB, "--from", "1h", "--prometheus", NOBODY, "--slo", "300ms"),
            2,
            ["--slo", "--service-rate"],
            id="an objective without a model",
        ),
        pytest.param(
            ("rules", "backtest", WEB, "--from", "1h", "--prometheus", NOBODY, "--quantile", "0.9"),
            2,
            ["--quantile", "--service-rate"],
            id="a share without a model",
        ),
        pytest.param(
            ("draw", "verify", f"{NOBODY}/cactus"),
            2,
            [f"{NOBODY}/cactus/draw", "Connection refused"],
            id="no room",
        ),
        pytest.param(
            ("onsale", "list", "--admin-token", "x", "--admin-url", NOBODY),
            3,
            [NOBODY, "Connection refused", "--admin-url"],
            id="no room to list",
        ),
        pytest.param(("onsale", "list"), 2, ["--admin-token", "TIDEGATE_ADMIN_TOKEN"], id="no token"),
        pytest.param(
            ("onsale", "token", "me", "--add-to", "file/tokens"),
            2,
            ["file/tokens"],
            id="no place for a token",
        ),
        pytest.param(("scaler", "status", "--url", NOBODY), 3, [NOBODY, "--listen"], id="no scaler"),
        pytest.param(
            ("store", "serve", "--data", "file/data"), 2, ["--data file/data"], id="no folder for data"
        ),
        pytest.param(("demo", "--report", "file/out"), 2, ["file/out"], id="no folder for the report"),
    ],
)
def test_a_mistake_is_one_line_that_helps(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    words: list[str],
) -> None:
    assert run(monkeypatch, *arguments) == status
    _, err = capfd.readouterr()
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err
    for noise in ("Errno", "Traceback", "ClientConnector", "ssl:default", "Value error"):
        assert noise not in err


def test_a_state_folder_nobody_named_is_no_mistake_but_is_told(folder: Path) -> None:
    document = ONSALE.replace("spec:", "spec:\n  opens: 2099-12-05T10:00:00+01:00\n  order: draw")
    (folder / "onsale.yaml").write_text(document)
    (folder / "keys").mkdir()
    (folder / "state").touch()  # a file where the folder would be
    with subprocess.Popen(
        [sys.executable, "-m", "tidegate", *SERVE, "--listen", f"127.0.0.1:{free_port()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as room:
        assert room.stdout is not None
        told = next((line for line in room.stdout if "state_unwritable" in line), "")
        room.terminate()
        room.stdout.read()
    assert "name a folder that can be written" in told


def test_a_store_on_a_busy_port_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(monkeypatch, "store", "serve", "--port", str(port)) == 2
    assert (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another" in capfd.readouterr().err
    )
