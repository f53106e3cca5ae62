"""`tidegate bench`: what this machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.bench.options import JOINS_PER_S, WATCHED_S, CrowdOptions
from tidegate.cli_options import run_service
from tidegate.logs import LogFormat, LogLevel, configure_logs

BROKEN_PROMISES = 1

bench_app = typer.Typer(help="Measure what this machine can do.", no_args_is_help=True)


@bench_app.callback()
def _bench() -> None:
    """Keep `crowd` a command of its own while it is the only one."""


@bench_app.command("crowd")
def bench_crowd(
    buyers: Annotated[int, typer.Option("--buyers", help="How many join.")] = 1_000_000,
    growth: Annotated[
        bool, typer.Option(help="Play crowds of a thousand, ten thousand and so on before it.")
    ] = True,
    joins: Annotated[
        float, typer.Option("--joins", help="How many come a second, on the average.")
    ] = JOINS_PER_S,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long a line is watched once all have joined.")
    ] = WATCHED_S,
    rate: Annotated[
        float,
        typer.Option("--rate", help="Buyers/s that the lines move, at the most: the shortest must last."),
    ] = 50.0,
    poll_budget: Annotated[
        float, typer.Option("--poll-budget", help="Status requests/s all waiting buyers may make together.")
    ] = 1_000.0,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes of the room.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The crowd's seed: the same seed, the same crowd.")] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file as well.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw how the cost grows with the crowd into this PNG file.")
    ] = None,
) -> None:
    """Have a crowd join a waiting room on this machine and wait there; prints a line of JSON for each figure.

    Status 1 if a promise was broken: a number twice, a place changed, the order, or more let in than the rate allows.
    """
    from tidegate.bench.crowd import play_crowds
    from tidegate.bench.figures import Figure
    from tidegate.bench.growth import plot_growth
    from tidegate.bench.outcome import MUST_BE_NOUGHT

    options = CrowdOptions(
        buyers=buyers,
        growth=growth,
        joins_per_s=joins,
        seconds=seconds,
        rate_per_s=rate,
        poll_budget_per_s=poll_budget,
        workers=workers,
        seed=seed,
        json=json,
        plot=plot,
    )
    configure_logs(LogFormat.CONSOLE, LogLevel.WARNING)

    def say(figure: Figure) -> None:
        print(figure.to_json(), flush=True)

    async def play(options: CrowdOptions) -> list[Figure]:
        return await play_crowds(options, say)

    figures: list[Figure] = run_service(play, options)
    if options.json is not None:
        options.json.write_text("".join(f"{figure.to_json()}\n" for figure in figures), encoding="utf-8")
    if options.plot is not None:
        plot_growth(figures, options.plot)
    broken = any(figure.value for figure in figures if figure.name in MUST_BE_NOUGHT)
    raise typer.Exit(BROKEN_PROMISES if broken else 0)
