"""A fault that did not take hold is found out: nobody stood still, nothing was refused, a cut let something through."""

from __future__ import annotations

import pytest

from tests.chaos.effects import Effect, came_back, cut_off, refused, replaced, slowed, stood_still

GONE = Effect(True, "1 of 1 processes gone, 1 new")

JUDGED = {
    "all killed and replaced": (replaced([1, 2], [], [3, 4]), True, "2 of 2 processes gone, 2 new"),
    "one survives": (replaced([1, 2], [2], [2, 3]), False, "1 of 2 processes gone, 1 new"),
    "nobody comes instead": (replaced([1], [], []), False, "1 of 1 processes gone, 0 new"),
    "there was nobody": (replaced([], [], [3]), False, "0 of 0 processes gone, 1 new"),
    "empty as meant": (came_back(GONE, with_data=False, as_meant=False), True, f"{GONE.seen}, empty"),
    "empty unmeant": (came_back(GONE, with_data=False, as_meant=True), False, f"{GONE.seen}, empty"),
    "with data unmeant": (
        came_back(GONE, with_data=True, as_meant=False),
        False,
        f"{GONE.seen}, with its data",
    ),
    "never gone": (came_back(Effect(False, "x"), with_data=True, as_meant=True), False, "x, with its data"),
    "all stand still": (stood_still(["T", "T"]), True, "2 of 2 processes stood still"),
    "one goes on": (stood_still(["T", "S"]), False, "1 of 2 processes stood still"),
    "one is gone": (stood_still([""]), False, "0 of 1 processes stood still"),
    "nobody was frozen": (stood_still([]), False, "0 of 0 processes stood still"),
    "refused": (refused("OOM", 7), True, "7 commands refused with OOM"),
    "nothing refused": (refused("OOM", 0), False, "0 commands refused with OOM"),
    "slow": (slowed([0.4, 0.41], [9, 9], 0.2), True, "pings answered after 400 ms and after 410 ms"),
    "slow one way only": (
        slowed([0.4, 0.2], [9, 9], 0.2),
        False,
        "pings answered after 400 ms and after 200 ms",
    ),
    "dead, not slow": (slowed([0.4, None], [9, 9], 0.2), False, "pings answered after 400 ms and never"),
    "slow for nobody": (
        slowed([0.4, 0.4], [9, 0], 0.2),
        False,
        "pings answered after 400 ms and after 400 ms, on a way that nobody had used",
    ),
    "cut": (cut_off(None, 9, 0), True, "a ping not answered, 0 bytes passed"),
    "a ping passes": (cut_off(0.003, 9, 14), False, "a ping answered after 3 ms, 14 bytes passed"),
    "others' requests pass": (cut_off(None, 9, 120), False, "a ping not answered, 120 bytes passed"),
    "cut from nobody": (
        cut_off(None, 0, 0),
        False,
        "a ping not answered, 0 bytes passed, on a way that nobody had used",
    ),
}


@pytest.mark.parametrize(("effect", "took_hold", "seen"), JUDGED.values(), ids=list(JUDGED))
def test_a_fault_is_judged_by_what_was_seen_of_it(effect: Effect, took_hold: bool, seen: str) -> None:
    assert effect == Effect(took_hold, seen)
