"""The options by which a command is told which Kubernetes cluster it speaks to, as whom, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Kubeconfig: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        envvar="TIDEGATE_KUBECONFIG",
        help="Kubeconfig of the cluster. Default: the pod's service account, else $KUBECONFIG, else ~/.kube/config.",
    ),
]
Context: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--context", envvar="TIDEGATE_CONTEXT", help="Context of the kubeconfig. Default: its current one."
    ),
]
Namespace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="TIDEGATE_NAMESPACE",
        help="Namespace of targets that name none. Default: the context's, or the pod's own.",
    ),
]
Qps: TypeAlias = Annotated[
    float,
    typer.Option(
        "--kubernetes-qps",
        envvar="TIDEGATE_KUBERNETES_QPS",
        help="Requests/s to the API server, of all rules together.",
    ),
]
Burst: TypeAlias = Annotated[
    int,
    typer.Option(
        "--kubernetes-burst",
        envvar="TIDEGATE_KUBERNETES_BURST",
        help="Requests to the API server which may go at once.",
    ),
]
