"""Writes the figures of runs into docs/benchmarks.md: `python -m tests.benchmarks.report FILE...`, of what `--json` wrote.

The page's prose is its own. Tables stand between marks, `<!-- figures: NAME -->` and `<!-- end -->`, and are made anew, and so is
the picture of the growing crowd. A table of which nothing was measured is left as it is, so that a run of some benchmarks brings
theirs up to date. Of several files the later one's figures count where both have them; the aims are those of all.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.aims import AIMS, broken
from tests.benchmarks.figures import Figure
from tidegate.bench.errors import BenchError
from tidegate.bench.figures import read_figures
from tidegate.bench.growth import plot_growth

DOCS = Path(__file__).resolve().parents[2] / "docs"
_MARKED = re.compile(r"(<!-- figures: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_OVERLOADED = 0.95
_TAIL_S = 0.5
"""Where there is no queue, all have joined so soon after the last one came; of a short crowd's time that is a large share."""
_COME = "crowd_come"
_CROWD_ROWS = {
    _COME: "come, joins/s",
    "crowd_join_seconds": "all joined, s",
    "crowd_joins_per_s": "joins/s",
    "crowd_join_p50": "a join, ms, median",
    "crowd_join_p99": "99 %",
    "crowd_joining_driver_late": "the driver itself late, ms, 99 %",
    "crowd_joining_room_cpu": "room while they join, of a core",
    "crowd_joining_store_cpu": "store while they join, of a core",
    "crowd_polls_per_s": "questions/s of all who wait",
    "crowd_retry_after": "when to ask again, off from what keeps the budget",
    "crowd_status_p50": "a status, ms, median",
    "crowd_status_p99": "99 %",
    "crowd_driver_late": "the driver itself late, ms, 99 %",
    "crowd_room_cpu": "room while they wait, of a core",
    "crowd_room_cpu_again": "the same once more, behind all others",
    "crowd_store_cpu": "store while they wait, of a core",
    "crowd_store_commands_per_s": "commands of the store, /s",
    "crowd_store_bytes": "store bytes a waiting buyer",
    "crowd_joining_store_bytes": "the same at the last join, with nonces",
    "crowd_released_shortfall": "of rate x elapsed not released",
    "crowd_failed": "questions refused, or not answered",
}


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> None:
    """Write page and picture.

    Raises:
        SystemExit: a file holds no figures, or the page asks for a table that nobody can make; once all is written, with status
            1, if the figures say that a promise is broken.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.report", description=__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="what `make bench ARGS='--json FILE'` wrote; a later file's figures take the place of an earlier one's",
    )
    figures = _merged(parser.parse_args(arguments).files)
    page = docs / "benchmarks.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    if any(figure.name == "crowd_polls_per_s" for figure in figures):
        try:
            plot_growth(figures, docs / "img" / "crowd-growth.png")
        except BenchError as error:
            raise SystemExit(str(error)) from error
    if misses := broken(figures):
        raise SystemExit("broken: " + "; ".join(map(str, misses)))


def fill(page: str, figures: Sequence[Figure]) -> str:
    """Return the page with its tables made of `figures`.

    Raises:
        SystemExit: a mark names no table.
    """

    def table(match: re.Match[str]) -> str:
        begin, name, before, end = match.groups()
        if name not in TABLES:
            raise SystemExit(f"there is no table {name!r}; there are {', '.join(TABLES)}")
        lines = list(TABLES[name](figures))
        return begin + ("".join(f"{line}\n" for line in lines) if lines else before) + end

    return _MARKED.sub(table, page)


def _merged(files: Sequence[Path]) -> list[Figure]:
    """Return the figures of all files; each file's machine is kept, as that of the file.

    Raises:
        SystemExit: a file cannot be read, or holds no figure.
    """
    merged: dict[tuple[str, str], Figure] = {}
    for file in files:
        try:
            figures = read_figures(file.read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError) as error:
            raise SystemExit(f"{file}: {error}") from error
        if not figures:
            raise SystemExit(f"{file}: holds no figure")
        for figure in figures:
            kept = replace(figure, of=file.name) if figure.name == "machine" else figure
            merged[kept.name, kept.of] = kept
    return list(merged.values())


def _machine(figures: Sequence[Figure]) -> Iterator[str]:
    machines = [figure for figure in figures if figure.name == "machine"]
    for figure in machines:
        which = f"- `{figure.of}`: measured" if len(machines) > 1 else "Measured"
        yield f"{which} on {figure.value:g} {figure.unit}: {figure.note}."


def _aims(figures: Sequence[Figure]) -> Iterator[str]:
    rows, missed, measured = [], [], False
    for aim in AIMS:
        value = aim.worst(figures)
        if value is None:
            rows.append(f"| {aim.promise} | {aim.text} | | not measured |")
            continue
        measured = True
        rows.append(
            f"| {aim.promise} | {aim.text} | {_number(value)} | {'yes' if aim.is_met(value) else '**no**'} |"
        )
        if not aim.is_met(value):
            why = aim.missed or ("a promise is broken" if aim.binds else "nothing is known that explains it")
            missed.append(f"- {aim.promise}, {aim.text}: {why}.")
    if measured:
        yield from ("| | aim | measured | met |", "| --- | --- | ---: | --- |", *rows)
    if missed:
        yield from ("", "Missed:", "", *missed)


def _of(*names: str, ratio: str = "ratio") -> Callable[[Sequence[Figure]], Iterator[str]]:
    """Return what makes a table of the figures whose names begin so."""

    def table(figures: Sequence[Figure]) -> Iterator[str]:
        rows = [figure for figure in figures if figure.name.startswith(names)]
        if rows:
            yield from (
                f"| figure | | unit | baseline | {ratio} | n |",
                "| --- | ---: | --- | ---: | ---: | ---: |",
            )
        for figure in rows:
            name = f"`{figure.name}`" + (f", {figure.of}" if figure.of else "")
            cells = (_number(figure.value), figure.unit, _number(figure.baseline), _number(figure.ratio))
            yield f"| {name} | {' | '.join(cells)} | {figure.n} |"

    return table


def _crowd(figures: Sequence[Figure]) -> Iterator[str]:
    by_size: dict[int, dict[str, float]] = {}
    for figure in figures:
        if figure.name.startswith("crowd_"):
            row = by_size.setdefault(int(figure.of.partition(" ")[0]), {})
            row[figure.name] = figure.value
            if figure.name == "crowd_joins_per_s" and figure.baseline is not None:
                row[_COME] = figure.baseline
    if not by_size:
        return
    sizes = sorted(by_size)
    yield "| buyers | " + " | ".join(f"{size:,}" for size in sizes) + " |"
    yield "| --- |" + " ---: |" * len(sizes)
    for name, text in _CROWD_ROWS.items():
        yield f"| {text} | " + " | ".join(_number(by_size[size].get(name)) for size in sizes) + " |"
    late = [f"{size:,}" for size in sizes if _is_overloaded(size, by_size[size])]
    if late:
        yield from ("", f"Overloaded with {' and '.join(late)} buyers: the join times are a queue's.")


def _is_overloaded(size: int, row: Mapping[str, float]) -> bool:
    """Tell whether buyers came more quickly than they could join."""
    come, joined = row.get(_COME), row.get("crowd_joins_per_s")
    if not come or not joined:
        return False
    return joined / come < _OVERLOADED and size / joined - size / come > _TAIL_S


def _limit(figures: Sequence[Figure]) -> Iterator[str]:
    """Say what an answer costs, to a bare handler's."""
    times = [
        f"{what} {1.0 / figure.ratio:.2f} times"
        for name, what in (
            ("status_cpu_ratio", "a status"),
            ("join_cpu_ratio", "a join"),
            ("gate_auth_cpu_ratio", "a gate's answer"),
        )
        for figure in figures
        if figure.name == name and figure.ratio
    ]
    if times:
        yield f"Measured: of the server's processor time {', '.join(times)} what a bare handler's answer takes."


TABLES: Mapping[str, Callable[[Sequence[Figure]], Iterator[str]]] = {
    "machine": _machine,
    "aims": _aims,
    "web": _of("status_", "join_", "gate_"),
    "limit": _limit,
    "store": _of("store_", "script_"),
    "crowd": _crowd,
    "listeners": _of("listener"),
    "admission": _of("admission_"),
    "neighbours": _of("neighbours_"),
    "scaler": _of("decide_", "loop_"),
    "eta": _of("eta_"),
}


def _number(value: float | None) -> str:
    """Write a value as one reads it: three figures, no exponent."""
    if value is None:
        return ""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in text else text


if __name__ == "__main__":
    main()
