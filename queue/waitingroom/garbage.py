"""How often Python looks for garbage in cycles, in a process which serves: less often than the interpreter does by itself.

A process under load makes some hundred objects a request, which are gone when it is answered, and remembers some places for long.
The interpreter's own thresholds (every 700 new objects, and older ones every tenth time) make it go through what it remembers
again and again: a sixth of the time of a join. In exchange garbage in cycles grows by some megabytes until it is found.
"""

from __future__ import annotations

import gc

_NEW_OBJECTS = 20_000
_YOUNGER_RUNS = 20


def tune_collector() -> None:
    """Set the thresholds for this process, and leave out of every search what is there now: it stays to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNGER_RUNS, _YOUNGER_RUNS)
