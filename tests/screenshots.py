"""Takes the pictures of both sides' pages in docs/img anew: `make screenshots`, or some of them by the names of their files.

What is asked for is looked up before anything is started; a sale is played for the console's pictures only.
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.system import console_screenshots
from tests.waitingroom.pages import screenshots
from tests.waitingroom.pages.repertoire import SCENES

IMAGES = Path(__file__).parents[1] / "docs" / "img"
PAGES = {f"page-{name}": name for scene in SCENES for name in screenshots.names_of(scene)}
CONSOLE = {f"console-{name}": name for name in console_screenshots.IN_DOCS}


def chosen(arguments: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return which pictures of the buyers' page and of the console to take: those named, or all.

    A name is its file's, with or without folder and `.png`.

    Raises:
        SystemExit: there is no such picture; the message lists all.
    """
    names = [Path(argument).name.removesuffix(".png") for argument in arguments] or [*PAGES, *CONSOLE]
    unknown = [name for name in names if name not in PAGES and name not in CONSOLE]
    if unknown:
        raise SystemExit(
            f"no picture is called {', '.join(unknown)}: there are {' '.join([*PAGES, *CONSOLE])}"
        )
    return {PAGES[name] for name in names if name in PAGES}, {
        CONSOLE[name] for name in names if name in CONSOLE
    }


async def take(pages: set[str], console: set[str], folder: Path) -> None:
    """Take these pictures; they go into `folder`."""
    if pages:
        await screenshots.take(pages, folder)
    if console:
        await console_screenshots.take(console, folder)


if __name__ == "__main__":
    asyncio.run(take(*chosen(sys.argv[1:]), IMAGES))
