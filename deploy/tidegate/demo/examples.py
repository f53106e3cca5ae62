"""Where the example documents lie: beside this package in an installed wheel, under `rules/` in a source checkout."""

from __future__ import annotations

from pathlib import Path

import rulebook
import tidegate
from tidegate.demo.errors import DemoError


def find_examples(name: str) -> Path:
    """Return the folder of one group of examples.

    Raises:
        DemoError: it is in neither place.
    """
    places = [Path(tidegate.__file__).parent / "examples", Path(rulebook.__file__).parents[1] / "examples"]
    for place in places:
        if (place / name).is_dir():
            return place / name
    raise DemoError(
        f"the examples {name!r} are neither in {places[0]} nor in {places[1]}; is the installation whole?"
    )
