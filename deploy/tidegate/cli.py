"""The `tidegate` command. Each command reads its options into one settings object and runs one service; no logic stands here.

Errors a person can mend come out as one line on standard error and exit status 2; anything else is a defect and shows whole.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import typer.exceptions

from autoscaler.errors import AutoscalerError, DocumentsRefused
from rulebook import DocumentErrors
from rulebook.admintokens import TokenError
from tidegate import __version__
from tidegate.bench.errors import BenchError
from tidegate.bench_cli import bench_app
from tidegate.cli_options import (
    INTERRUPTED,
    MISTAKE,
    AllowOpenStore,
    LogDepth,
    LogForm,
    Store,
    read_address,
    read_url,
    run_service,
)
from tidegate.demo.errors import DemoError
from tidegate.draw_cli import draw_app
from tidegate.logs import LogFormat, LogLevel, configure_logs
from tidegate.onsale_cli import onsale_app
from tidegate.rules_cli import rules_app
from tidegate.scaler_cli import scaler_app
from tidegate.store_cli import store_app
from waitingroom.errors import WaitingRoomError

app = typer.Typer(
    name="tidegate",
    help="A waiting room and an autoscaler in one control loop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
queue_app = typer.Typer(help="The waiting room.", no_args_is_help=True)
app.add_typer(queue_app, name="queue")
app.add_typer(scaler_app, name="scaler")
app.add_typer(rules_app, name="rules")
app.add_typer(draw_app, name="draw")
app.add_typer(onsale_app, name="onsale")
app.add_typer(bench_app, name="bench")
app.add_typer(store_app, name="store")


def main() -> None:
    """Run the command line."""
    try:
        status = app(standalone_mode=False)
    except typer.exceptions.TyperException as error:
        _explain(error)
        sys.exit(MISTAKE)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except DocumentsRefused as error:  # all of them, as `rules lint` tells them
        print("tidegate: " + "\n".join(str(problem) for problem in error.problems), file=sys.stderr)
        sys.exit(MISTAKE)
    except (WaitingRoomError, AutoscalerError, DocumentErrors, TokenError, DemoError, BenchError) as error:
        print(f"tidegate: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
    sys.exit(status if isinstance(status, int) else 0)


def _explain(error: typer.exceptions.TyperException) -> None:
    """Say what was wrong in one line; a command without arguments shows its help instead."""
    message = error.format_message().replace("Value error, ", "")  # pydantic's way to begin
    if not message:  # the help has been shown
        return
    print(message if "\n" in message else f"tidegate: {message}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Tidegate: a virtual waiting room and a metrics-driven autoscaler in one control loop."""


@queue_app.command("serve")
def queue_serve(
    onsales: Annotated[
        Path, typer.Option("--onsales", envvar="TIDEGATE_ONSALES", help="File or folder of Onsale documents.")
    ],
    keys: Annotated[
        Path,
        typer.Option("--keys", envvar="TIDEGATE_KEYS", help="Folder of key files, made on the first start."),
    ],
    room_url: Annotated[
        str,
        typer.Option("--room-url", envvar="TIDEGATE_ROOM_URL", help="The room's address as buyers see it."),
    ],
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            envvar="TIDEGATE_STATE",
            help="Folder for what has to outlive the store: the draws' records. Default: `state` beside the keys.",
        ),
    ] = None,
    store: Store = "redis://127.0.0.1:6379/0",
    allow_open_store: AllowOpenStore = False,
    listen: Annotated[
        str, typer.Option("--listen", envvar="TIDEGATE_LISTEN", help="Where the room listens, HOST:PORT.")
    ] = "127.0.0.1:8080",
    gate: Annotated[
        str | None,
        typer.Option("--gate", envvar="TIDEGATE_GATE", help="Where the reverse-proxy gate listens."),
    ] = None,
    upstream: Annotated[
        list[str] | None, typer.Option("--upstream", help="The shop behind the gate; repeatable.")
    ] = None,
    upstream_file: Annotated[
        Path | None,
        typer.Option("--upstream-file", help="A file with one shop address a line, followed as it changes."),
    ] = None,
    gate_read_timeout: Annotated[
        float,
        typer.Option("--gate-read-timeout", min=0.1, help="Seconds the gate waits for the shop to go on."),
    ] = 60.0,
    gate_total_timeout: Annotated[
        float | None,
        typer.Option("--gate-total-timeout", min=0.1, help="Seconds a request to the shop may take in all."),
    ] = None,
    gate_max_body: Annotated[
        int | None, typer.Option("--gate-max-body", min=0, help="Bytes a request body may have.")
    ] = None,
    free_host: Annotated[
        list[str] | None,
        typer.Option(
            "--free-host",
            help="A host which no onsale guards, though the gate stands before it: no pass is needed there; repeatable.",
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            envvar="TIDEGATE_TRUSTED_PROXY",
            help="Address or network (CIDR) of a proxy that may speak for buyers; repeatable. Default: loopback.",
        ),
    ] = None,
    admin_tokens: Annotated[
        Path | None,
        typer.Option(
            "--admin-tokens",
            envvar="TIDEGATE_ADMIN_TOKENS",
            help="File of the admin API's tokens, see `tidegate onsale token`.",
        ),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option(
            "--pages",
            envvar="TIDEGATE_PAGES",
            help="Folder of your own looks, templates and texts for the buyers' page.",
        ),
    ] = None,
    join_rate: Annotated[
        float,
        typer.Option(
            "--join-rate",
            min=0,
            help="Joins/s of one client address at this instance, its workers together, and as many vain tries to enter; "
            "0 for no limit.",
        ),
    ] = 20.0,
    join_burst: Annotated[int, typer.Option("--join-burst", min=1, help="The same at once.")] = 200,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", envvar="TIDEGATE_WORKERS", min=1, max=64, help="Processes on the same address."
        ),
    ] = 1,
    poll_budget: Annotated[
        float,
        typer.Option("--poll-budget", min=1, help="Status requests/s all waiting buyers may make together."),
    ] = 1000.0,
    insecure_cookies: Annotated[
        bool,
        typer.Option(
            "--insecure-cookies", help="Cookies without Secure, for plain http on a developer's machine."
        ),
    ] = False,
    log_format: LogForm = LogFormat.CONSOLE,
    log_level: LogDepth = LogLevel.INFO,
) -> None:
    """Serve the waiting room, and with --gate a reverse proxy in front of the shop."""
    from rulebook.addresses import LOOPBACK
    from waitingroom.gate.limits import ProxyLimits
    from waitingroom.scoreboard import Scoreboard
    from waitingroom.serve import run_queue
    from waitingroom.settings import ListenAddress, QueueSettings
    from waitingroom.sharing import Slot
    from waitingroom.workers import run_workers

    if gate and not upstream and not upstream_file:
        raise typer.BadParameter(
            "needs --upstream or --upstream-file: where is the shop?", param_hint="--gate"
        )
    if upstream and upstream_file:
        raise typer.BadParameter("give either --upstream or --upstream-file", param_hint="--upstream")
    if (upstream or upstream_file) and not gate:
        raise typer.BadParameter(
            "needs --gate: where shall the gate before the shop listen?", param_hint="--upstream"
        )
    settings = QueueSettings(
        onsales=onsales,
        store=store,
        keys=keys,
        listen=ListenAddress(*read_address(listen, "--listen")),
        room_url=read_url(room_url, "--room-url", path=False).rstrip("/"),
        gate=ListenAddress(*read_address(gate, "--gate")) if gate else None,
        upstreams=tuple(read_url(url, "--upstream") for url in upstream or ()),
        upstream_file=upstream_file,
        gate_limits=ProxyLimits(
            read_s=gate_read_timeout, total_s=gate_total_timeout, max_body_bytes=gate_max_body
        ),
        free_hosts=tuple(free_host or ()),
        trusted_proxies=tuple(trusted_proxy or LOOPBACK),
        admin_tokens=admin_tokens,
        pages=pages,
        join_rate_per_s=join_rate,
        join_burst=join_burst,
        poll_budget_per_s=poll_budget,
        workers=workers,
        secure_cookies=not insecure_cookies,
        allow_open_store=allow_open_store,
        state=state,
    )
    configure_logs(log_format, log_level)
    if workers == 1:
        run_service(run_queue, settings)
        return

    board = Scoreboard(workers)

    def work(number: int) -> int:
        try:
            run_service(partial(run_queue, slot=Slot(board, number)), settings)
        except WaitingRoomError as error:
            print(f"tidegate: {error}", file=sys.stderr)
            return MISTAKE
        return 0

    raise typer.Exit(run_workers(workers, work))


@queue_app.command("keys")
def queue_keys(
    onsales: Annotated[
        Path, typer.Option("--onsales", envvar="TIDEGATE_ONSALES", help="File or folder of Onsale documents.")
    ],
    keys: Annotated[
        Path,
        typer.Option("--keys", envvar="TIDEGATE_KEYS", help="Folder of key files, made if it is not there."),
    ],
) -> None:
    """Make the key files which the documents need and the folder lacks; what is there is left alone. Prints their names."""
    from waitingroom.hall import drawn, load_onsales
    from waitingroom.keyfiles import load_keyring

    load_keyring(keys, drawn(load_onsales(onsales)))
    print("\n".join(sorted(file.name for file in keys.iterdir() if not file.name.startswith("."))))


@app.command("demo")
def demo(
    buyers: Annotated[int, typer.Option("--buyers", help="How many simulated buyers come.")] = 800,
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario", help="What happens: festival, rush, replica-loss, slow-shop or store-restart."
        ),
    ] = "festival",
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            help="Over how many seconds after the opening they come; 45, or what the scenario has.",
        ),
    ] = None,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="In store-restart: the store comes back with its data.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Folder for report.json and report.png; out, or out/SCENARIO for another."
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines instead of the live table.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The crowd's seed: the same seed, the same crowd.")] = 1,
    stay: Annotated[
        bool, typer.Option("--stay", help="Leave everything up after the sale, until Ctrl-C.")
    ] = False,
) -> None:
    """Run the whole loop on this machine: store, room, gate, shop, scaler and a crowd of simulated buyers."""
    from tidegate.demo.options import DemoOptions
    from tidegate.demo.run import run_demo
    from tidegate.demo.scenarios import FESTIVAL, find_scenario

    played = find_scenario(scenario)
    options = DemoOptions(
        buyers=buyers,
        seconds=seconds,
        report=report or (Path("out") if played is FESTIVAL else Path("out") / played.name),
        headless=headless,
        seed=seed,
        scenario=played,
        keep_data=keep_data,
        stay=stay,
    )
    configure_logs(LogFormat.CONSOLE, LogLevel.WARNING)
    raise typer.Exit(run_service(run_demo, options))
