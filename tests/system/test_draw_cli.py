"""`tidegate draw verify` against a saved answer, and a verifier written from the documentation alone."""

import hashlib
import hmac
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waitingroom.samples import KEYRING
from waitingroom.draw import make_draw
from waitingroom.drawrecord import DrawRecord, sign_record
from waitingroom.passes import public_keys

SEED = "11" * 32
COMMITMENT = hashlib.sha256(bytes.fromhex(SEED)).hexdigest()


def verify(folder: Path, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    record = sign_record(DrawRecord("cactus", ((1, 40), (2, 60)), SEED), KEYRING)
    (folder / "draw.json").write_text(
        json.dumps({"onsale": "cactus", "commitment": COMMITMENT, "record": record} | changes)
    )
    (folder / "keys.json").write_text(json.dumps(public_keys(KEYRING).as_dict(private=False)))
    files = [str(folder / "draw.json"), "--keys", str(folder / "keys.json")]
    return subprocess.run(
        [sys.executable, "-m", "tidegate", "draw", "verify", *files, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def documented_position(seed: bytes, onsale: str, size: int, entry: int) -> int:
    """Follow docs/draw.md, step by step."""
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)

    def function(round_number: int, value: int) -> int:
        name = onsale.encode()
        text = b"tidegate draw v1" + len(name).to_bytes(2, "big") + name
        text += size.to_bytes(8, "big") + bytes([round_number]) + value.to_bytes(8, "big")
        return int.from_bytes(hmac.new(seed, text, hashlib.sha256).digest()[:6], "big")

    index = entry - 1
    while True:
        left, right = divmod(index, b)
        for round_number in range(16):
            if round_number % 2 == 0:
                left = (left + function(round_number, right)) % a
            else:
                right = (right + function(round_number, left)) % b
        index = left * b + right
        if index < size:
            return index + 1


@pytest.mark.parametrize("size", [1, 2, 3, 10, 99, 100, 101])
def test_a_verifier_written_from_the_documentation_agrees(size: int) -> None:
    draw = make_draw(bytes(32), "cactus", size)
    documented = [documented_position(bytes(32), "cactus", size, n) for n in range(1, size + 1)]
    assert documented == [draw.position(n) for n in range(1, size + 1)]


def test_the_documented_vector_is_the_real_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "draw.md").read_text()
    draw = make_draw(bytes(32), "cactus", 10)
    assert " ".join(str(draw.position(n)) for n in range(1, 11)) in text


def test_a_true_position_is_confirmed(tmp_path: Path) -> None:
    position = make_draw(bytes.fromhex(SEED), "cactus", 100).position(40 + 7)
    done = verify(tmp_path, "--epoch", "2", "--number", "7", "--position", str(position), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["position"] == position


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        pytest.param(
            ["--epoch", "2", "--number", "7", "--position", "101"], {}, "as shown: False", id="wrong position"
        ),
        pytest.param(["--commitment", "ab" * 32], {}, "DIFFERS", id="another commitment"),
        pytest.param(["--number", "7"], {}, "--epoch", id="which epoch"),
        pytest.param(["--epoch", "1", "--number", "41"], {}, "no part", id="joined later"),
        pytest.param([], {"record": None}, "not been published", id="before the opening"),
        pytest.param([], {"record": "a.b.c"}, "draw record", id="forged record"),
    ],
)
def test_anything_else_fails_and_says_why(
    tmp_path: Path, arguments: list[str], changes: dict[str, Any], words: str
) -> None:
    done = verify(tmp_path, *arguments, **changes)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert words in done.stdout + done.stderr
