"""Writes everything in the repository that is made from the code: `python -m tidegate.reference [FOLDER]`.

The folder is the repository's, the working directory if none is given. `--check` writes nothing and names what is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rulebook.schema import ANY, SCHEMAS, schema_text
from tidegate import metrics_reference
from tidegate.reference.commands import commands_page
from tidegate.reference.documents import onsales_page, rules_page
from tidegate.reference.endpoints import endpoints_page

_EXAMPLES: Final = Path("rules/examples")
_PAGES: Final[Mapping[str, Callable[[Path], str]]] = {
    "docs/metrics.md": lambda _: metrics_reference.reference(),
    "docs/reference/configuration.md": lambda _: commands_page(),
    "docs/reference/http.md": lambda _: endpoints_page(),
    "docs/reference/onsales.md": lambda root: onsales_page(root / _EXAMPLES),
    "docs/reference/rules.md": lambda root: rules_page(root / _EXAMPLES),
}


def generated(root: Path) -> dict[str, str]:
    """Return the text of each generated file by its path in the repository."""
    texts = {path: page(root) for path, page in _PAGES.items()}
    return texts | {f"rules/schema/{name}": schema_text(name) for name in (*SCHEMAS, ANY)}


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    check = "--check" in arguments
    folders = [argument for argument in arguments if argument != "--check"]
    if len(folders) > 1 or any(folder.startswith("-") for folder in folders):
        print("usage: python -m tidegate.reference [--check] [FOLDER]", file=sys.stderr)
        return 2
    root = Path(folders[0] if folders else ".")
    if not (root / _EXAMPLES).is_dir():
        print(f"tidegate: {root} is not the repository: it has no {_EXAMPLES}", file=sys.stderr)
        return 2
    texts = generated(root)
    old = [path for path, text in texts.items() if _read(root / path) != text]
    for path in old:
        if check:
            print(f"{path} is not up to date: run `make docs`")
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(texts[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if check and old else 0


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
