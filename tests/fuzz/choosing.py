"""Chooses a small corpus: of all inputs, the shortest which together take every step that any of them takes.

A step is a pair of lines of ours that follow each other, as the interpreter's own tracing tells; a fuzzer is not needed for it.
"""

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

_OURS = ("/rulebook/", "/waitingroom/", "/autoscaler/", "/joserfc/")
MOST_BYTES = 12_000
"""Of one target: what comes after that is left out."""


def choose(inputs: Iterable[bytes], target: Callable[[bytes], None]) -> list[bytes]:
    """Return the inputs to be kept, the shortest first."""
    known: set[tuple[str, int, int]] = set()
    kept: list[bytes] = []
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        steps = _steps(data, target)
        if not steps <= known and sum(map(len, kept)) + len(data) <= MOST_BYTES:
            kept.append(data)
            known |= steps
    return kept


def _steps(data: bytes, target: Callable[[bytes], None]) -> set[tuple[str, int, int]]:
    found: set[tuple[str, int, int]] = set()

    def watch(frame: FrameType, event: str, value: Any) -> Any:
        name = frame.f_code.co_filename
        if not any(part in name for part in _OURS):
            return None
        before = frame.f_lineno

        def step(frame: FrameType, event: str, value: Any) -> Any:
            nonlocal before
            found.add((name, before, frame.f_lineno))
            before = frame.f_lineno
            return step

        return step

    sys.settrace(watch)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return found
