"""What the figures of a soak say: whether all was as it has to be, and a page for readers. Pure; it measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.figures import Figure
from tests.soak.drift import FILES_LIMIT_PER_MIN, MEMORY_LIMIT_KIB_PER_MIN, PIECES, RESTLESS
from tests.soak.small import CONNECTIONS, MEMORIES, SIZE

_KIB_PER_MIB = 1024.0
_BYTES_PER_KIB = 1024.0
_WRONGS = {
    "soak_lost_places": "lost",
    "soak_double_claims": "twice",
    "soak_order_violations": "order",
    "soak_over_admitted": "too many",
    "soak_shared_sessions": "sessions of two users",
    "soak_turned_away": "turned away inside",
    "soak_tracebacks": "logs with a traceback",
    "soak_ended": "processes that died",
}


def failures(figures: Sequence[Figure]) -> list[str]:
    """Say what was not as it has to be; nothing if all was."""
    found = [
        f"{figure.name}{f' of {figure.of}' if figure.of else ''}: {figure.value:g} {figure.unit}, "
        f"at most {figure.baseline:g}{f' ({figure.note})' if figure.note else ''}"
        for figure in figures
        if figure.baseline is not None and figure.value > figure.baseline
    ]
    if not any(figure.name == "soak_memory" for figure in figures):
        found.append("no process was looked at often enough")
    if not any(figure.name == "soak_admitted" and figure.value > 0 for figure in figures):
        found.append("nobody was let in, so nothing is shown")
    return found


def page(figures: Sequence[Figure]) -> str:
    """Return the page.

    Raises:
        KeyError: a figure is missing; they are of another version.
    """
    found = {(figure.name, figure.of): figure for figure in figures}
    processes = sorted({figure.of for figure in figures if figure.name == "soak_memory"})
    failed = failures(figures)
    minutes, admitted = found["soak_minutes", ""], found["soak_admitted", ""]
    per_min = admitted.n / minutes.value / found["soak_workers", ""].value
    limit_bytes = MEMORY_LIMIT_KIB_PER_MIN * _BYTES_PER_KIB / per_min
    smallest, restless = max(
        ((found["soak_memory_smallest_seen", each].value, each) for each in processes), default=(0.0, "none")
    )
    return _PAGE.format(
        rows="\n".join(_row(found, process) for process in processes),
        minutes=f"{minutes.value:g}",
        date=minutes.note,
        cores=f"{found['machine', ''].value:g}",
        least=f"{found['soak_least_load', ''].value:.1f}",
        most=f"{found['soak_most_load', ''].value:.1f}",
        came=f"{admitted.n:,}",
        admitted=f"{admitted.value:,.0f}",
        wrongs=", ".join(f"*{word}* {found[name, ''].value:g}" for name, word in _WRONGS.items()),
        judgement=f"**Not as it has to be: {'; '.join(failed)}.**" if failed else "All was as it has to be.",
        memory_limit=f"{MEMORY_LIMIT_KIB_PER_MIN:g}",
        per_min=f"{per_min:.0f}",
        limit_bytes=f"{limit_bytes:.0f}",
        smallest=f"{smallest:.0f}",
        restless=restless,
        smallest_bytes=f"{smallest * _BYTES_PER_KIB / per_min:.0f}",
        files_limit=f"{FILES_LIMIT_PER_MIN:g}",
        files_buyers=f"{per_min / FILES_LIMIT_PER_MIN:,.0f}",
        files_per_hour=f"{60.0 * FILES_LIMIT_PER_MIN:.0f}",
        pieces=PIECES,
        times=RESTLESS,
        memories=len(MEMORIES),
        connections=CONNECTIONS,
        size=f"{SIZE:,}",
        twice=f"{2 * SIZE:,}",
    )


def _row(found: dict[tuple[str, str], Figure], process: str) -> str:
    memory = [
        f"{found[name, process].value / _KIB_PER_MIB:.1f}"
        for name in ("soak_memory_at_first", "soak_memory_at_half", "soak_memory")
    ]
    growth, files = found["soak_memory_growth", process], found["soak_files_growth", process]
    note = "".join(
        f" **{word}**"
        for word, figure in (("grows", growth), ("leaves files open", files))
        if figure.baseline is not None and figure.value > figure.baseline
    )
    cells = [
        *memory,
        _signed(growth.value, 0),
        f"{found['soak_files', process].value:g}",
        _signed(files.value, 2),
    ]
    return f"| {process}{note} | {' | '.join(cells)} |"


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else "0"


_PAGE = """\
# Whether anything grows

A long sale with nothing going wrong in it, and a look at each process again and again: its resident memory, and how \
many files and sockets it has open. Buyers come all the time, a little faster than they are let in, so that there is \
always a line. A straight line is laid through what was seen in the second half of the sale; its slope is the growth. \
The site is that of [what a sale survives](chaos.md).

A worker of room or gate remembers places, passes and sessions, so as to verify and to look up each but once. How many is \
bounded, at tens of thousands of each, so for hours it grows by what it remembers: in a soak with these bounds by about 0.9 KiB \
for each buyer who came (room) and 1.2 KiB (gate). A leak could hide behind that. Therefore the soak runs Tidegate with \
{memories} bounds made small: each memory is full at {size} entries, or at {twice} where it keeps two generations, which is \
minutes after the opening. So is the pool of connections to the store, which a worker opens as it needs them and then keeps: \
{connections} at the most. So what grows on in the second half is no memory of buyers that fills. What is remembered by client \
address is not tried here, as the whole crowd comes from one.

One limit holds for all processes: {memory_limit} KiB a minute. A worker meets {per_min} buyers a minute here, so that is \
{limit_bytes} bytes of each: **a worker that keeps less than that of each buyer for ever is not found out.** The smallest leak \
which this run was sure to show, in the process whose memory went up and down most ({restless}), is {smallest} KiB a minute, \
{smallest_bytes} bytes for each buyer of a worker: the limit and twice the standard error of the slope (of the means of {pieces} \
stretches, as neighbouring looks resemble each other). As to files, none may have {files_limit} more a minute: one that stays \
open for every {files_buyers} buyers of a worker, {files_per_hour} an hour, would pass. A connection that a buyer or another \
process holds open to it does not count until they have closed it: how many those are is theirs to say.

| process | MiB at the opening | at half-time | at the end | KiB/min | files | files/min |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

`python -m tests.soak --minutes {minutes}`, {date}; {cores} cores, load average {least} to {most} while it went on. \
{came} buyers came and {admitted} were let in. Counted as [there](chaos.md), though whoever still stands in line at the end is \
not unserved: {wrongs}. {judgement}

The exit status is 1 if a process grows by more than its limit or dies (another one in its place starts small again), if \
one goes up and down so much that {times:g} times the limit could hide in it, if a promise was broken, or if nobody was let in. \
`make soak` runs it for 20 minutes, with `ARGS="--report docs/soak.md"` it writes this page, and \
`python -m tests.soak --from FILE --report docs/soak.md` writes it from what an earlier run has put into FILE with `--json`.
"""
