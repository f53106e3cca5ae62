"""The options by which several scalers are told how to settle which of them acts."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Leader: TypeAlias = Annotated[
    str,
    typer.Option(
        "--leader",
        envvar="TIDEGATE_LEADER",
        help="Where several scalers settle which of them acts: kubernetes (a Lease), store, or none for a single one.",
    ),
]
LeaseName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--lease-name",
        envvar="TIDEGATE_LEASE_NAME",
        help="The lease. Scalers which share it stand in for each other.",
    ),
]
LeaseNamespace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--lease-namespace",
        envvar="TIDEGATE_LEASE_NAMESPACE",
        help="Namespace of a lease in Kubernetes. Default: that of targets that name none.",
    ),
]
LeaseDuration: TypeAlias = Annotated[
    float,
    typer.Option(
        "--lease-duration",
        envvar="TIDEGATE_LEASE_DURATION",
        help="Seconds without a renewal after which another takes over.",
    ),
]
