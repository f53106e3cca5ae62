"""Reads the tutorial as a newcomer would: files to save, commands for one of two terminals, and what they should show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["file", "first", "second", "both"]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"as `([^`]+)`:\s*\Z")
_WHERE: dict[str, Kind] = {"# terminal 1": "first", "# both terminals": "both"}
AGAIN = "# repeat until it says so"


@dataclass(frozen=True, slots=True)
class Step:
    """A file with its text, or commands with what they should show (None: nothing is said of it)."""

    kind: Kind
    text: str
    file: str = ""
    shows: str | None = None

    @property
    def repeats(self) -> bool:
        """Whether the reader is told to try again until it shows what is meant."""
        return self.text.startswith(AGAIN)


def read_steps(page: str) -> list[Step]:
    """Read a page from top to bottom.

    Raises:
        ValueError: a block is neither a file nor commands nor what they show.
    """
    steps: list[Step] = []
    for block in _FENCE.finditer(page):
        language, text = block.groups()
        saved = _SAVED.search(page[: block.start()])
        if language == "text" and steps and steps[-1].kind != "file" and steps[-1].shows is None:
            steps[-1] = Step(steps[-1].kind, steps[-1].text, shows=text)
        elif language == "sh":
            steps.append(Step(_WHERE.get(text.split("\n", 1)[0], "second"), text))
        elif saved is not None:
            steps.append(Step("file", text, saved[1]))
        else:
            raise ValueError(f"what is to be done with this block? {text[:60]!r}")
    return steps


def matches(shown: str, expected: str) -> bool:
    """Tell whether an output is what a page shows: `...` stands for anything, blanks at the end of a line for nothing."""
    pattern = re.escape(_tidy(expected)).replace(re.escape("..."), ".*?")
    pattern = re.sub(r"(\\ )+", lambda _: r"\ +", pattern)  # columns are as wide as what is in them
    return re.fullmatch(pattern, _tidy(shown), flags=re.DOTALL) is not None


def at_ports(page: str, ports: dict[int, int]) -> str:
    """Replace the ports of a page."""
    numbers = "|".join(map(str, ports))
    return re.sub(rf"(?<![\d.])({numbers})\b", lambda found: str(ports[int(found[1])]), page)


def tutorial() -> str:
    """Return the page."""
    return (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
