"""A bounded memo for what is costly to verify and asked for again and again, such as the tokens of buyers who poll.

Two generations: what was asked for lately survives a turn of the generations, the rest is forgotten. No clock, no locks.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Remembers between `size` and 2 x `size` values."""

    __slots__ = ("_new", "_old", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._new: dict[str, Value] = {}
        self._old: dict[str, Value] = {}

    def get(self, key: str) -> Value | None:
        """Return the value remembered for `key`."""
        value = self._new.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: str, value: Value) -> None:
        """Remember a value; the oldest half goes when there is no room."""
        if len(self._new) >= self._size:
            self._old = self._new
            self._new = {}
        self._new[key] = value

    def clear(self) -> None:
        """Forget everything, as when keys have changed."""
        self._new = {}
        self._old = {}
