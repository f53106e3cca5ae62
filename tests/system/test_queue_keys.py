"""`tidegate queue keys`: the key files of a sale, made before there is a pod to mount them in."""

import subprocess
import sys
from pathlib import Path

from tests.system.test_queue_workers import ONSALE


def keys(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidegate", "queue", "keys", "--onsales", str(folder / "onsales")]
    return subprocess.run([*command, "--keys", str(folder / "keys")], capture_output=True, text=True)


def test_keys_are_made_once_and_then_left_alone(tmp_path: Path) -> None:
    (tmp_path / "onsales").mkdir()
    drawn = ONSALE.replace("NAME", "cactus") + "  opens: 2099-01-01T10:00:00Z\n  order: draw\n"
    (tmp_path / "onsales" / "cactus.yaml").write_text(drawn)
    first = keys(tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.split() == ["draw.cactus.seed", "pass.1.jwk", "place.1.key"]
    before = {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()}
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "keys").iterdir())

    (tmp_path / "onsales" / "dahlia.yaml").write_text(ONSALE.replace("NAME", "dahlia"))
    (tmp_path / "onsales" / "erica.yaml").write_text(drawn.replace("cactus", "erica"))
    second = keys(tmp_path)
    assert second.stdout.split() == ["draw.cactus.seed", "draw.erica.seed", "pass.1.jwk", "place.1.key"]
    after = {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()}
    assert {name: after[name] for name in before} == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "onsales").mkdir()
    (tmp_path / "onsales" / "cactus.yaml").write_text(ONSALE.replace("NAME", "cactus"))
    (tmp_path / "keys").write_text("a file, and no folder")
    refused = keys(tmp_path)
    assert refused.returncode == 2
    assert f"key folder {tmp_path / 'keys'}: is a file; name a folder" in refused.stderr
