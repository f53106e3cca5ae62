"""`tidegate scaler ...`: runs the scaler, and asks a running one what it does and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate import prometheus_options as prom
from tidegate.cli_options import JsonLogs, Store, read_address, run_service
from tidegate.logs import configure_logs

scaler_app = typer.Typer(help="The scaler.", no_args_is_help=True)


@scaler_app.command("run")
def scaler_run(
    rules: Annotated[
        list[Path],
        typer.Option("--rules", envvar="TIDEGATE_RULES", help="File or folder of documents; repeatable."),
    ],
    store: Store = "redis://127.0.0.1:6379/0",
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and report, change nothing.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Evaluate each rule once and stop.")] = False,
    logs: Annotated[Path, typer.Option("--logs", help="Folder for the output of local replicas.")] = Path(
        "out/logs"
    ),
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            "--kubeconfig",
            envvar="TIDEGATE_KUBECONFIG",
            help="Kubeconfig of the cluster. Default: the pod's service account, else $KUBECONFIG, else ~/.kube/config.",
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", envvar="TIDEGATE_CONTEXT", help="Context of the kubeconfig; default: its current."
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            envvar="TIDEGATE_NAMESPACE",
            help="Namespace of targets that name none. Default: the context's, or the pod's own.",
        ),
    ] = None,
    kubernetes_qps: Annotated[
        float, typer.Option("--kubernetes-qps", help="Requests/s to the API server, of all rules together.")
    ] = 20.0,
    kubernetes_burst: Annotated[
        int, typer.Option("--kubernetes-burst", help="Requests to the API server which may go at once.")
    ] = 30,
    json_logs: JsonLogs = False,
) -> None:
    """Run the scaler: read the signals, decide by the rules, scale the targets, tell the room its rate."""
    from autoscaler.service import run_scaler
    from autoscaler.settings import ScalerSettings

    host, port = read_address(listen, "--listen")
    settings = ScalerSettings(
        rules=tuple(rules),
        store_url=store,
        host=host,
        port=port,
        dry_run=dry_run,
        once=once,
        logs=logs,
        prometheus=prom.access_of(
            prometheus,
            prometheus_token_file,
            prometheus_username,
            prometheus_password_file,
            prometheus_ca_file,
            prometheus_cert_file,
            prometheus_key_file,
            prometheus_header,
        ),
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        kubernetes_qps=kubernetes_qps,
        kubernetes_burst=kubernetes_burst,
    )
    configure_logs(json=json_logs)
    run_service(run_scaler, settings)
