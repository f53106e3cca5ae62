"""Writes the dashboards: `python -m grafana.boards FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.boards.written import dashboards

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


def main(arguments: list[str]) -> int:
    """Write each dashboard to a file of its name in the folder; returns the exit status."""
    if len(arguments) != 1:
        print("usage: python -m grafana.boards FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    for name, text in dashboards(RUNBOOK.read_text()).items():
        (folder / f"{name}.json").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
