"""The pages of the documents: `rules.md` (ScalingRule, ProcessPool, RuleTest) and `onsales.md`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tidegate.reference.fields import UNITS, kind_reference

_MADE: Final = "Made by `make docs` from the models; a test holds that it is up to date."
_LINTED: Final = (
    "Documents are YAML or JSON, one or several a file, in any number of files of a folder. A field that is not listed here is "
    "an error, and so is everything else that cannot be meant: file, line and column are named, and all mistakes at once. "
    "`tidegate rules lint` says so before anything runs, and names what is right but probably not meant. Editors complete and "
    "explain with the JSON Schemas in `rules/schema` (`tidegate rules schema`)."
)

RULES_HEAD: Final = f"""\
# Rules, field by field

{_MADE}

{_LINTED} [How a rule decides](../explanation/control-loop.md), [how to run it](../how-to/scaler.md), \
[how to try it on the past](../how-to/backtest.md).

"""
_FORMULAS: Final = """
## Formulas

`decide` is an expression in CEL, the Common Expression Language, at most 500 characters long. It sees

| name | what |
| --- | --- |
| a signal's name | what that signal asks for, in replicas |
| `values["name"]` | what the signal read, in its own unit |
| `current`, `ready` | replicas there are, and those that are ready |

and calls `max`, `min`, `ceil`, `floor`, `double`, `int`; there are no loops. CEL converts nothing by itself: \
`requests * 1.5` is an error, `double(requests) * 1.5` is not. The result is rounded up to whole replicas; schedule, forecast, \
behavior and limits come after it. Where it cannot be evaluated while the rule runs, the highest \
recommendation counts instead, and the decision says so.
"""

ONSALES_HEAD: Final = f"""\
# Onsales, field by field

{_MADE}

{_LINTED} A change on disk is taken over within seconds, without a restart; a document that went bad leaves the last good one \
in force. [What is fair about a line](../explanation/fairness.md), [selling to members first](../how-to/presale.md), \
[how a draw is made](../draw.md).

"""


def rules_page(examples: Path) -> str:
    """Return the page of rules, pools and tests; `examples` is the folder of the example documents."""
    return "".join(
        (
            RULES_HEAD,
            UNITS,
            _example("An example", examples / "onsale" / "rule.yaml"),
            "\n" + kind_reference("scaling-rule.json"),
            _FORMULAS,
            "\n" + kind_reference("process-pool.json"),
            _example("A pool", examples / "demo" / "pool.yaml", level=3),
            "\n" + kind_reference("rule-test.json"),
            _example("A test", examples / "onsale" / "test.yaml", level=3),
        )
    )


def onsales_page(examples: Path) -> str:
    """Return the page of onsales."""
    return "".join(
        (
            ONSALES_HEAD,
            UNITS,
            _example("An example", examples / "onsale" / "onsale.yaml"),
            "\n" + kind_reference("onsale.json"),
        )
    )


def _example(title: str, file: Path, level: int = 2) -> str:
    # The first line names the schema to editors, by a path that means nothing on a page.
    text = re.sub(r"\A# yaml-language-server:.*\n", "", file.read_text(encoding="utf-8"))
    return f"\n{'#' * level} {title}\n\n```yaml\n{text.strip()}\n```\n"
