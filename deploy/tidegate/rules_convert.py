"""`tidegate rules convert`: HorizontalPodAutoscalers and KEDA ScaledObjects to rules, with what was lost said aloud."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli_options import refuse


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            help="YAML with HorizontalPodAutoscaler or ScaledObject documents; - is standard input."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the rules to this new file instead of standard output."),
    ] = None,
) -> None:
    """Turn HPA v2 and KEDA documents into rules; comments say what could not be carried over, and why."""
    from rulebook.conversion import convert_text
    from rulebook.errors import DocumentErrors

    name = "<stdin>" if str(file) == "-" else str(file)
    try:
        conversions, skipped = convert_text(_read(file), name)
    except DocumentErrors as error:
        refuse("\ntidegate: ".join(str(problem) for problem in error.problems))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    text = "---\n".join(conversion.text for conversion in conversions)
    if output is None:
        print(text, end="")
    else:
        try:
            with output.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            refuse(f"{error.filename}: {error.strerror}")
    for conversion in conversions:
        count = len(conversion.remarks)
        told = (
            "all of it"
            if count == 0
            else f"{count} remark{'s' if count > 1 else ''} in the comments above it"
        )
        print(f"{conversion.kind} {conversion.name}: {told}", file=sys.stderr)
    for remark in skipped:
        print(remark, file=sys.stderr)


def _read(file: Path) -> str:
    from rulebook.errors import DocumentErrors, Problem
    from rulebook.yamltree import MAX_BYTES

    if str(file) == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DocumentErrors([Problem(str(file), 0, 0, "", None, f"is larger than {MAX_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentErrors([Problem(str(file), line, 1, "", None, "is not UTF-8")]) from error
