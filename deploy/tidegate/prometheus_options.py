"""The options by which commands are told of a Prometheus, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autoscaler.prometheus.access import PrometheusAccess, parse_header

Url = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        envvar="TIDEGATE_PROMETHEUS",
        help="Prometheus, or what speaks its API: http://HOST:9090.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--prometheus-token-file",
        envvar="TIDEGATE_PROMETHEUS_TOKEN_FILE",
        help="File with a bearer token, followed as it changes.",
        show_default=False,
    ),
]
Username = Annotated[
    str | None,
    typer.Option(
        "--prometheus-username",
        envvar="TIDEGATE_PROMETHEUS_USERNAME",
        help="Name for basic auth.",
        show_default=False,
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--prometheus-password-file",
        envvar="TIDEGATE_PROMETHEUS_PASSWORD_FILE",
        help="File with the password for basic auth, followed as it changes.",
        show_default=False,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--prometheus-ca-file",
        envvar="TIDEGATE_PROMETHEUS_CA_FILE",
        help="Certificates to trust instead of the system's, followed as they change.",
        show_default=False,
    ),
]
CertFile = Annotated[
    Path | None,
    typer.Option(
        "--prometheus-cert-file",
        envvar="TIDEGATE_PROMETHEUS_CERT_FILE",
        help="Our own certificate, followed as it changes.",
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--prometheus-key-file",
        envvar="TIDEGATE_PROMETHEUS_KEY_FILE",
        help="The key of our certificate, where it stands in a file of its own.",
        show_default=False,
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--prometheus-header",
        envvar="TIDEGATE_PROMETHEUS_HEADER",
        help="Sent with each request, NAME=VALUE, such as X-Scope-OrgID=shop for Mimir; repeatable.",
        show_default=False,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--prometheus-concurrency",
        envvar="TIDEGATE_PROMETHEUS_CONCURRENCY",
        help="Requests to Prometheus at the same time, of all rules together.",
    ),
]


def access_of(
    url: str | None,
    token_file: Path | None,
    username: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    headers: list[str] | None,
    concurrency: int = 8,
) -> PrometheusAccess | None:
    """Put the options together; None where no server is given.

    Raises:
        ConfigurationError: they do not go together, or one makes no sense.
        typer.BadParameter: there are options for a server, and no server.
    """
    if url is None:
        if any((token_file, username, password_file, ca_file, cert_file, key_file, headers)):
            raise typer.BadParameter("needs --prometheus: which server?", param_hint="--prometheus-...")
        return None
    return PrometheusAccess(
        url=url,
        token_file=token_file,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        headers=tuple(parse_header(text) for text in headers or ()),
        concurrency=concurrency,
    )
