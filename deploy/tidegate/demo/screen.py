"""Where a run is shown: a live table on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live

from tidegate.demo.table import Snapshot, line, render

LINE_EVERY_S = 5.0


class Screen(Protocol):
    """What a run tells the person who started it."""

    def show(self, snapshot: Snapshot) -> None:
        """Show how things stand."""
        ...

    def say(self, text: str) -> None:
        """Print a line that stays."""
        ...


@contextmanager
def open_screen(*, headless: bool) -> Iterator[Screen]:
    """Take the terminal for as long as the block lasts; without one, or `headless`, print lines."""
    console = Console()
    if headless or not console.is_terminal:
        yield PlainScreen()
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield LiveScreen(live)


class LiveScreen:
    """A table which is drawn over and over again."""

    def __init__(self, live: Live) -> None:
        """Draw through `live`."""
        self._live = live

    def show(self, snapshot: Snapshot) -> None:
        """Draw the table."""
        self._live.update(render(snapshot))

    def say(self, text: str) -> None:
        """Print above the table."""
        self._live.console.print(text, markup=False, highlight=False)


class PlainScreen:
    """A line every few seconds of the run."""

    def __init__(self) -> None:
        """Print the first snapshot at once."""
        self._next_s = float("-inf")

    def show(self, snapshot: Snapshot) -> None:
        """Print the snapshot, if it is time to."""
        if snapshot.since_opening_s >= self._next_s:
            self._next_s = snapshot.since_opening_s + LINE_EVERY_S
            self.say(line(snapshot))

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)
