"""Wraps rule files into one object for the Prometheus operator: `python -m tidegate.prometheus_rules RULES... OBJECT`."""

from __future__ import annotations

import sys
from pathlib import Path

_HEAD = """\
# Made by `make prometheus-rules` from deploy/prometheus; a test holds that it is up to date.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: tidegate, namespace: tidegate}
spec:
  groups:
"""


def wrapped(texts: list[str]) -> str:
    """Return the object that holds the groups of these rule files; comments stay where they are.

    Raises:
        ValueError: a text is no rule file whose groups begin on a line of their own.
    """
    lines = []
    for text in texts:
        _, mark, groups = text.partition("\ngroups:\n")
        if not mark:
            raise ValueError("not a rule file: there is no line `groups:`")
        lines += [f"  {line}".rstrip() for line in groups.strip("\n").splitlines()]
    return _HEAD + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the object; returns the exit status."""
    if len(arguments) < 2:
        print("usage: python -m tidegate.prometheus_rules RULES... OBJECT", file=sys.stderr)
        return 2
    *sources, made = map(Path, arguments)
    made.write_text(wrapped([source.read_text() for source in sources]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
