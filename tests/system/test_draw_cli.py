"""P6: `tidegate draw verify` against a saved answer, and a verifier written from the documentation alone."""

import hashlib
import hmac
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from tests.waitingroom.any_draw import Sought, sought
from tests.waitingroom.samples import KEYRING
from tidegate.cli import app
from tidegate.draw_cli import DrawUnreadable
from waitingroom.draw import make_draw, mix_beacon
from waitingroom.drawrecord import Beacon, DrawnPool, DrawRecord, sign_record, verify_record
from waitingroom.passes import public_keys

SEED = "11" * 32
COMMITMENT = hashlib.sha256(bytes.fromhex(SEED)).hexdigest()


BEACON = Beacon("drand round 4711", "a1b2")


def verify(
    folder: Path, *arguments: str, mixed: Beacon | None = None, **changes: Any
) -> subprocess.CompletedProcess[str]:
    """Verify a saved answer; `changes` replace its members, `mixed` is the beacon of its record."""
    record = sign_record(DrawRecord("cactus", ((1, 40), (2, 60)), SEED, mixed), KEYRING)
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


def documented_key(seed: bytes, onsale: str, source: str, value: str) -> bytes:
    """Follow docs/draw.md."""
    message = b"tidegate draw beacon v1"
    for text in (onsale, source, value):
        message += len(text.encode()).to_bytes(2, "big") + text.encode()
    return hmac.new(seed, message, hashlib.sha256).digest()


def test_the_documented_vector_of_a_beacon_is_the_real_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "draw.md").read_text()
    key = documented_key(bytes(32), "cactus", "drand round 1", "a1b2")
    assert key == mix_beacon(bytes(32), "cactus", "drand round 1", "a1b2")
    assert key.hex() in text
    draw = make_draw(key, "cactus", 10)
    assert " ".join(str(draw.position(n)) for n in range(1, 11)) in text


def documented(one: Sought) -> int | None:
    """Follow docs/draw.md: where a place stands, None if it took no part."""
    record, key = one.record, bytes.fromhex(one.record.seed)
    if record.beacon is not None:
        key = documented_key(key, record.onsale, record.beacon.source, record.beacon.value)
    if one.number > dict(record.pool)[one.epoch]:
        return None
    before = sum(size for epoch, size in record.pool if epoch < one.epoch)
    whole = sum(size for _, size in record.pool)
    return documented_position(key, record.onsale, whole, before + one.number)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("draw")
    (folder / "keys.json").write_text(json.dumps(public_keys(KEYRING).as_dict(private=False)))
    return folder


@given(one=sought())
def test_of_any_draw_room_and_documentation_say_the_same(one: Sought) -> None:
    assert verify_record(sign_record(one.record, KEYRING), KEYRING.pass_keys) == one.record
    assert one.position == documented(one)


@given(one=sought())
@settings(max_examples=25)
def test_of_any_draw_the_command_says_what_the_room_says(folder: Path, one: Sought) -> None:
    record = one.record
    told = {"source": record.beacon.source, "value": record.beacon.value} if record.beacon else None
    answer = {"onsale": record.onsale, "commitment": record.commitment, "beacon": told}
    (folder / "draw.json").write_text(json.dumps({**answer, "record": sign_record(record, KEYRING)}))
    place = ["--epoch", str(one.epoch), "--number", str(one.number)]
    looked_up = [f"--beacon={record.beacon.value}"] if record.beacon else []
    command = ["draw", "verify", str(folder / "draw.json"), "--keys", str(folder / "keys.json"), *place]
    if one.position is None:
        assert isinstance(CliRunner().invoke(app, command).exception, DrawUnreadable)
        return
    for shown, status in ((one.position, 0), (one.position + 1, 1)):
        compared = ["--position", str(shown), *looked_up, "--json"]
        done = CliRunner().invoke(app, [*command, *compared])
        assert (done.exit_code, json.loads(done.stdout)["position"]) == (status, one.position)


@given(one=sought())
def test_in_any_draw_each_who_took_part_stands_alone(one: Sought) -> None:
    pool = DrawnPool(one.record)
    positions = [
        pool.position(epoch, number) for epoch, size in one.record.pool for number in range(1, size + 1)
    ]
    assert sorted(position or 0 for position in positions) == list(range(1, one.record.size + 1))


def test_a_position_drawn_with_a_beacon_is_confirmed(tmp_path: Path) -> None:
    key = documented_key(bytes.fromhex(SEED), "cactus", BEACON.source, BEACON.value)
    position = documented_position(key, "cactus", 100, 47)
    announced = {"source": BEACON.source, "value": BEACON.value}
    arguments = ["--epoch", "2", "--number", "7", "--position", str(position), "--beacon", BEACON.value]
    done = verify(tmp_path, *arguments, mixed=BEACON, beacon=announced)
    assert done.returncode == 0, done.stdout
    assert "is the one that you looked up" in done.stdout


def test_without_a_beacon_the_verifier_says_what_the_operator_knew(tmp_path: Path) -> None:
    assert "the operator knew the draw beforehand" in verify(tmp_path).stdout


def test_a_beacon_that_was_not_looked_up_is_shown_to_be_compared(tmp_path: Path) -> None:
    done = verify(tmp_path, mixed=BEACON)
    assert done.returncode == 0
    assert "compare it with drand round 4711" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "mixed", "announced"),
    [
        pytest.param(["--beacon", "ffff"], BEACON, BEACON.source, id="another value"),
        pytest.param(["--beacon", "a1b2"], None, None, id="none was mixed"),
        pytest.param([], BEACON, "drand round 4712", id="another source"),
        pytest.param([], None, "drand round 4711", id="announced and left out"),
    ],
)
def test_a_beacon_that_is_not_as_announced_fails(
    tmp_path: Path, arguments: list[str], mixed: Beacon | None, announced: str | None
) -> None:
    told = {"source": announced, "value": None} if announced else None
    done = verify(tmp_path, *arguments, mixed=mixed, beacon=told)
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout or "no beacon was mixed" in done.stdout


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
