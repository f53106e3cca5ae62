"""The release script is cut where it says, and every part of it is timed."""

from __future__ import annotations

import pytest

from tests.benchmarks.parts import COMMANDS, EMPTY, PARTS, WHOLE, clocked, parts
from waitingroom.store.scripts import script_source


def test_the_parts_follow_one_another_and_nothing_else_of_the_script_changes() -> None:
    source = script_source("advance")
    lines = clocked(source).splitlines()
    assert lines.count("marks[#marks + 1] = os.clock()") == len(PARTS)
    kept = [line for line in lines[1:-3] if line != "marks[#marks + 1] = os.clock()"]
    assert kept == source.rstrip().splitlines()[:-1]


def test_a_script_without_one_of_the_parts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the script has no .* say in PARTS how it is cut now"):
        clocked("turn()\nreturn reply")


async def test_every_part_of_a_release_is_timed() -> None:
    told = await parts(waiting=50, calls=5)
    assert set(told) == {*(name for name, _ in PARTS), COMMANDS, EMPTY, WHOLE}
    assert 0 < told[EMPTY] < told[WHOLE]
    assert all(us >= 0 for us in told.values())
