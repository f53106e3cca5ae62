"""Picks from constraints.txt what the image needs: `python deploy/docker/requirements.py [PACKAGE]` prints it.

`tidegate`, or another package, such as `hatchling` by which it is built.

constraints.txt pins, with hashes, what every extra takes, the tools of development too. The image gets what `tidegate` itself
requires and, in turn, what that does; whether a pin counts for the image's Python and platform, its own marker says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HEAD = "# Made by `make image-requirements` from constraints.txt; a test holds that it is up to date.\n"


def pins(text: str) -> dict[str, str]:
    """Return the pins of a constraints file by their packages, each with its hashes."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.startswith((" ", "\t")):
            found[name] += line
        elif line.strip() and not line.startswith("#"):
            name = canonicalize_name(line.partition("==")[0].strip())
            found[name] = line
    return found


def needed(package: str) -> set[str]:
    """Return a package and all that it requires, on any platform; what is installed here is asked."""
    seen: set[tuple[str, str]] = set()
    waiting = [(package, "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            waiting += _requirements(name, extra)
    return {name for name, _ in seen}


def _requirements(name: str, extra: str) -> Iterator[tuple[str, str]]:
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # of another platform
        texts = []
    for text in texts:
        requirement = Requirement(text)
        marker = str(requirement.marker or "")
        of_extra = "extra ==" in marker
        if of_extra and not (extra and f'extra == "{extra}"' in marker):
            continue
        for wanted in ("", *requirement.extras):
            yield canonicalize_name(requirement.name), wanted


def requirements(package: str) -> str:
    """Return the file of a package."""
    pinned = pins((ROOT / "constraints.txt").read_text())
    return HEAD + "".join(pinned[name] for name in sorted(needed(package) & pinned.keys()))


if __name__ == "__main__":
    sys.stdout.write(requirements(*sys.argv[1:] or ["tidegate"]))
