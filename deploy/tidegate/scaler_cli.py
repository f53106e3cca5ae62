"""`tidegate scaler ...`: runs the scaler, and asks a running one what it does and why.

Exit status: 0 done, 1 a rule failed, or is not run, 2 the command, its options or all documents are wrong, 3 no scaler answers.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType

from rulebook.explain import explain
from rulebook.onsale import check_http_url
from tidegate import console_options as console
from tidegate import kubernetes_options as kube
from tidegate import leader_options as lead
from tidegate import prometheus_options as prom
from tidegate.cli_options import AllowOpenStore, LogDepth, LogForm, Store, read_address, run_service
from tidegate.logs import LogFormat, LogLevel, configure_logs
from tidegate.scaler_status import (
    ScalerStatus,
    StatusError,
    Unreachable,
    fetch_status,
    render_rule,
    render_table,
)

if TYPE_CHECKING:  # the scaler takes a while to import, which asking one need not wait for
    from autoscaler.service import Outcome
    from autoscaler.status import RuleStatus

FAILED = 1
UNREACHABLE = 3
WATCH_EVERY_S = 2.0
WIDTH = 200

scaler_app = typer.Typer(help="The scaler.", no_args_is_help=True)


@scaler_app.command("run")
def scaler_run(
    rules: Annotated[
        list[Path],
        typer.Option("--rules", envvar="TIDEGATE_RULES", help="File or folder of documents; repeatable."),
    ],
    store: Store = "redis://127.0.0.1:6379/0",
    allow_open_store: AllowOpenStore = False,
    listen: Annotated[
        str,
        typer.Option(
            "--listen", envvar="TIDEGATE_SCALER_LISTEN", help="Where status and metrics are served."
        ),
    ] = "127.0.0.1:9190",
    prometheus: prom.Url = None,
    prometheus_token_file: prom.TokenFile = None,
    prometheus_username: prom.Username = None,
    prometheus_password_file: prom.PasswordFile = None,
    prometheus_ca_file: prom.CaFile = None,
    prometheus_cert_file: prom.CertFile = None,
    prometheus_key_file: prom.KeyFile = None,
    prometheus_header: prom.Headers = None,
    prometheus_concurrency: prom.Concurrency = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and report, change nothing.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Evaluate each rule once and stop.")] = False,
    logs: Annotated[Path, typer.Option("--logs", help="Folder for the output of local replicas.")] = Path(
        "out/logs"
    ),
    memory: Annotated[
        str,
        typer.Option(
            "--memory",
            envvar="TIDEGATE_MEMORY",
            help="Where what rules remember is kept over restarts: store, configmap or none.",
        ),
    ] = "store",
    memory_name: Annotated[
        str, typer.Option("--memory-name", help="How the names of the ConfigMaps with memories begin.")
    ] = "tidegate-memory",
    memory_namespace: Annotated[
        str | None,
        typer.Option("--memory-namespace", help="Their namespace. Default: that of targets which name none."),
    ] = None,
    kubeconfig: kube.Kubeconfig = None,
    context: kube.Context = None,
    namespace: kube.Namespace = None,
    kubernetes_qps: kube.Qps = 20.0,
    kubernetes_burst: kube.Burst = 30,
    leader: lead.Leader = "none",
    lease_name: lead.LeaseName = "tidegate-scaler",
    lease_namespace: lead.LeaseNamespace = None,
    lease_duration: lead.LeaseDuration = 15.0,
    console_tokens: console.Tokens = None,
    console_url: console.Url = None,
    trusted_proxy: console.TrustedProxy = None,
    room_admin: console.RoomAdmin = None,
    room_admin_token_file: console.RoomAdminTokenFile = None,
    log_format: LogForm = LogFormat.CONSOLE,
    log_level: LogDepth = LogLevel.INFO,
) -> None:
    """Run the scaler: read the signals, decide by the rules, scale the targets, tell the room its rate."""
    from autoscaler.service import run_once, run_scaler
    from autoscaler.settings import LeaseIn, MemoryIn, ScalerSettings

    if memory not in set(MemoryIn):
        raise typer.BadParameter(f"must be one of {', '.join(MemoryIn)}", param_hint="--memory")
    if leader not in set(LeaseIn):
        raise typer.BadParameter(f"must be one of {', '.join(LeaseIn)}", param_hint="--leader")
    host, port = read_address(listen, "--listen")
    settings = ScalerSettings(
        rules=tuple(rules),
        store_url=store,
        allow_open_store=allow_open_store,
        host=host,
        port=port,
        dry_run=dry_run,
        once=once,
        logs=logs,
        memory=MemoryIn(memory),
        memory_name=memory_name,
        memory_namespace=memory_namespace,
        prometheus=prom.access_of(
            prometheus,
            prometheus_token_file,
            prometheus_username,
            prometheus_password_file,
            prometheus_ca_file,
            prometheus_cert_file,
            prometheus_key_file,
            prometheus_header,
            prometheus_concurrency,
        ),
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        kubernetes_qps=kubernetes_qps,
        kubernetes_burst=kubernetes_burst,
        leader=LeaseIn(leader),
        lease_name=lease_name,
        lease_namespace=lease_namespace,
        lease_s=lease_duration,
        console=console.console_of(
            console_tokens, console_url, trusted_proxy, room_admin, room_admin_token_file
        ),
    )
    if not once:
        configure_logs(log_format, log_level)
        run_service(run_scaler, settings)
        return
    configure_logs(log_format, LogLevel.CRITICAL)  # what matters of it is in the outcome
    outcome: Outcome = run_service(run_once, settings)
    print("\n\n".join(_once_text(status) for status in outcome.statuses))
    for refusal in outcome.refusals:
        print(f"tidegate: not in force: {refusal.message}", file=sys.stderr)
    if not outcome.ok:
        raise typer.Exit(FAILED)


@scaler_app.command("status")
def scaler_status(
    rule: Annotated[str | None, typer.Argument(help="Explain this rule's last decision in full.")] = None,
    url: Annotated[
        str, typer.Option("--url", envvar="TIDEGATE_SCALER_URL", help="Where the scaler listens.")
    ] = "http://127.0.0.1:9190",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every other second.")] = False,
) -> None:
    """Show what a running scaler does: all rules, or one with its last decision step by step."""
    try:
        check_http_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, found {url!r}", param_hint="--url") from error
    while True:
        try:
            status = fetch_status(url)
            shown = _shown(status, rule, as_json=as_json)
        except StatusError as error:
            if not watch:
                print(f"tidegate: {error}", file=sys.stderr)
                raise typer.Exit(UNREACHABLE if isinstance(error, Unreachable) else FAILED) from None
            shown = str(error)
        if not watch:
            _print(shown)
            return
        _print_anew(shown)
        time.sleep(WATCH_EVERY_S)


def _shown(status: ScalerStatus, rule: str | None, *, as_json: bool) -> RenderableType:
    if as_json:
        document = status.document if rule is None else status.rule(rule)
        return json.dumps(document, indent=2, ensure_ascii=False)
    return render_table(status) if rule is None else render_rule(status, rule)


def _once_text(status: RuleStatus) -> str:
    lines = [f"{status.rule}: {status.target}"]
    if status.decision is not None:
        lines.append(explain(status.decision))
    lines += [f"  failed: {failure.step}: {failure.error}" for failure in status.failures]
    return "\n".join(lines)


def _print(shown: RenderableType) -> None:
    """Print a text as it is, and what is laid out to the width there is: a pipe has any."""
    if isinstance(shown, str):
        print(shown)
        return
    Console(width=None if sys.stdout.isatty() else WIDTH, soft_wrap=True).print(shown)


def _print_anew(shown: RenderableType) -> None:
    if sys.stdout.isatty():
        print("\x1b[H\x1b[2J", end="")
    _print(shown)
    sys.stdout.flush()
