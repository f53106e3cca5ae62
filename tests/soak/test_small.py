"""The bounds which a soak makes small are all of those that are of buyers, and are where it looks for them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import waitingroom
from tests.soak import small
from waitingroom.gate.sessions import Sessions
from waitingroom.store.connect import connect

OTHERS = {
    # by client address, of which the crowd has one
    ("waitingroom.web.limits", "_CLIENTS_REMEMBERED"),
    ("waitingroom.gate.trust", "_REMEMBERED"),
    # in the shop's process, of which there is none of ours
    ("waitingroom.middleware.renewals", "_REMEMBERED"),
    ("waitingroom.middleware.link", "_OVER_REMEMBERED"),
}


def test_every_bound_of_the_room_is_made_small_or_named_as_left_out() -> None:
    folder = Path(waitingroom.__file__).parent
    found = set()
    for file in folder.rglob("*.py"):
        module = ".".join(("waitingroom", *file.relative_to(folder).with_suffix("").parts))
        for name in re.findall(r"^(\w*REMEMBERED) = ", file.read_text(encoding="utf-8"), re.MULTILINE):
            if getattr(importlib.import_module(module), name) > small.SIZE:
                found.add((module, name))
    assert found - OTHERS == set(small.MEMORIES)


def test_what_is_made_small_remembers_little(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (*small.MEMORIES, *((module, name) for module, name, _ in small.POOL)):
        bound = getattr(importlib.import_module(module), name)
        monkeypatch.setattr(f"{module}.{name}", bound)  # so that it is put back
    small.make_small()
    sessions = Sessions({})
    for number in range(3 * small.SIZE):
        sessions.end("sale", f"session-{number}")
    over = [number for number in range(3 * small.SIZE) if sessions.is_over(f"session-{number}")]
    assert small.SIZE <= len(over) <= 2 * small.SIZE
    assert connect("redis://127.0.0.1:1").connection_pool.max_connections == small.CONNECTIONS
