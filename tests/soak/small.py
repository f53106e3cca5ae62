"""Tidegate with small memories: `python small.py ...` is `tidegate ...`, but what it remembers of buyers is full within minutes.

A worker remembers tens of thousands of places, passes and sessions, so for hours it grows by what it remembers, and a leak would
hide behind that. Here each memory holds at most `2 * SIZE` entries (a `Memo` has two generations, everything else half of that).
Whoever grows still, grows without end. The same goes for open files: a worker keeps each connection to the store that it ever
needed, and needs one more the more rarely the more it has; here its pool holds `CONNECTIONS`.

Left as they are: the two in `web.limits` and that of `gate.trust`, which are by client address (the whole crowd has one), those
that hold less than `SIZE` anyway, and the shop's own `middleware`, which does not run here.
"""

from __future__ import annotations

import importlib

from tidegate.cli import main as tidegate

SIZE = 1_000
"""How much each remembers."""
CONNECTIONS = 12
"""To the store, of each worker; for how many commands at once is a quarter less, as in the room itself."""

MEMORIES = (
    ("waitingroom.placebook", "_REMEMBERED"),
    ("waitingroom.gate.checkpoint", "_RENEWED_REMEMBERED"),
    ("waitingroom.gate.guard", "_REMEMBERED"),
    ("waitingroom.gate.original", "_REMEMBERED"),
    ("waitingroom.gate.reader", "_REMEMBERED"),
    ("waitingroom.gate.sessions", "_OVER_REMEMBERED"),
    ("waitingroom.moves", "HOLDERS_REMEMBERED"),
    ("waitingroom.moves", "MOVES_REMEMBERED"),
    ("waitingroom.revocations", "REMEMBERED"),
)
"""The bounds that are made smaller, by module and name."""
POOL = (
    ("waitingroom.store.connect", "_CONNECTIONS", CONNECTIONS),
    ("waitingroom.store.connect", "_COMMANDS_AT_ONCE", CONNECTIONS * 3 // 4),
)
"""Those of the connections to the store, by module, name and size."""


def make_small() -> None:
    """Make every bound small in this process, and so in the workers which it forks.

    Raises:
        AttributeError: a bound is not where it was; `MEMORIES` or `POOL` has to follow.
    """
    for module_name, name, size in (*((*memory, SIZE) for memory in MEMORIES), *POOL):
        module = importlib.import_module(module_name)
        if getattr(module, name) > size:
            setattr(module, name, size)


def main() -> None:
    """Be `tidegate`, with small memories."""
    make_small()
    tidegate()


if __name__ == "__main__":
    main()
