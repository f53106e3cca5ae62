"""What several commands share: options, exit statuses, and how a service is run from the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from rulebook.onsale import check_http_url
from tidegate.addresses import parse_address
from tidegate.logs import LogFormat, LogLevel

INTERRUPTED = 130
MISTAKE = 2

LogForm = Annotated[
    LogFormat,
    typer.Option("--log-format", envvar="TIDEGATE_LOG_FORMAT", help="JSON lines, or lines for people."),
]
LogDepth = Annotated[
    LogLevel,
    typer.Option("--log-level", envvar="TIDEGATE_LOG_LEVEL", help="The least of what is logged."),
]
Store = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="TIDEGATE_STORE",
        help="The store: redis://, unix://, redis+sentinel:// or redis+cluster:// address.",
    ),
]

AllowOpenStore = Annotated[
    bool,
    typer.Option(
        "--allow-open-store",
        envvar="TIDEGATE_ALLOW_OPEN_STORE",
        help="Take a store without a password on another machine; only where nobody else can reach it.",
    ),
]


def read_address(text: str, option: str) -> tuple[str, int]:
    """Read HOST:PORT.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return parse_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def refuse(message: str, status: int = MISTAKE) -> NoReturn:
    """Say in one line what is wrong, and end the command.

    Raises:
        typer.Exit: always, with this status.
    """
    print(f"tidegate: {message}", file=sys.stderr)
    raise typer.Exit(status)


def run_service(service: Callable[..., Coroutine[Any, Any, Any]], settings: Any) -> Any:
    """Run a service until it ends; interrupting it ends the command.

    Raises:
        typer.Exit: it was interrupted.
    """
    import uvloop

    try:
        return uvloop.run(service(settings))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None


def read_url(text: str, option: str, *, path: bool = True) -> str:
    """Read an http or https address, without query and fragment, and without a path unless `path`.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        parts = urlsplit(check_http_url(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint=option) from error
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise typer.BadParameter(f"{text!r} must have no query and no fragment", param_hint=option)
    if not path and parts.path not in {"", "/"}:
        raise typer.BadParameter(
            f"{text!r} must have no path: the room is served at the root of its host", param_hint=option
        )
    return text
