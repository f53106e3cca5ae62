"""What can be seen of a target's replicas one by one, and done to them: for people who look, not for the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

PodState: TypeAlias = Literal["ready", "starting", "ending", "failed"]
MAX_LINE: Final = 4096
"""Most characters of a line of a log that are passed on."""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container of a pod which has a log of its own; after a restart there is that of the instance before, too."""

    name: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod, or one process of a local pool. `status` is for people: `Running`, `CrashLoopBackOff`."""

    name: str
    state: PodState
    status: str
    image: str
    restarts: int
    since_s: float | None = None
    where: str = ""
    """Its address, and the node it runs on, as far as known."""
    containers: tuple[ContainerView, ...] = ()
    """Whose logs can be chosen, the one that is meant by a pod's log first; none where a pod has one log only."""


class Fleet(Protocol):
    """The replicas of a target."""

    async def pods(self) -> tuple[PodView, ...]:
        """Return them, by name.

        Raises:
            AutoscalerError: it cannot be told.
        """
        ...

    def log(
        self, pod: str, lines: int, *, follow: bool, container: str = "", previous: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yield the last lines of what a pod has printed; and with `follow`, each line from then on, until the pod is gone.

        Without a container it is the one that is meant by the pod's log; `previous` is its instance before the last restart.

        Raises:
            AutoscalerError: there is no such pod, or it cannot be told.
        """
        ...

    async def restart(self) -> None:
        """Begin to replace all pods by new ones, a few at a time.

        Raises:
            AutoscalerError: it was refused, or this kind of target cannot do that.
        """
        ...


def clean_line(raw: bytes) -> str:
    """Read a line as whoever wrote it meant it to be read: without escape sequences of terminals, and of bounded length."""
    text = raw[: MAX_LINE * 4].decode("utf-8", "replace").rstrip("\r\n")
    return "".join(_printable(text))[:MAX_LINE]


def _printable(text: str) -> list[str]:
    kept: list[str] = []
    index = 0
    while index < len(text):
        character = text[index]
        if character == "\x1b":
            index = _after_escape(text, index + 1)
            continue
        if character == "\t" or character.isprintable():
            kept.append(character)
        else:
            kept.append("\ufffd")
        index += 1
    return kept


def _after_escape(text: str, index: int) -> int:
    """Return where an escape sequence ends (ECMA-48): `[` parameters and a final letter, or one character."""
    if index < len(text) and text[index] == "[":
        index += 1
        while index < len(text) and not "@" <= text[index] <= "~":
            index += 1
    return index + 1
