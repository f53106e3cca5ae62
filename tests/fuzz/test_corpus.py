"""Every input that fuzzing once found worth keeping is tried again, without the fuzzer."""

import pytest

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import CORPUS, TARGETS

LARGEST_BYTES = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_breaks_nothing(name: str) -> None:
    kept = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert kept
    for data in [*kept, *SEEDS[name]]:
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{data[:200]!r}") from error


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\xff" * 64, b"a" * 10_000, b"\n" * 50],
    ids=["nothing", "a null", "no text", "long", "lines"],
)
def test_odd_bytes_break_nothing(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_the_corpus_is_small_and_of_targets_that_are_there() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS) == set(SEEDS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST_BYTES
