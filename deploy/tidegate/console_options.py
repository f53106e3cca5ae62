"""The options of the operators' console, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:  # the scaler takes a while to import
    from autoscaler.console.settings import ConsoleSettings

Tokens: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--console-tokens",
        envvar="TIDEGATE_CONSOLE_TOKENS",
        help="Serve the operators' console under /console/ to the holders of tokens in this file; "
        "`tidegate onsale token` makes its entries.",
    ),
]
Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--console-url",
        envvar="TIDEGATE_CONSOLE_URL",
        help="The address people reach the console by, where a proxy stands before it.",
    ),
]
TrustedProxy: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        envvar="TIDEGATE_TRUSTED_PROXY",
        help="Address or network (CIDR) of a proxy before the console that may say who asks; repeatable. Default: loopback "
        "with --console-url, else none.",
        show_default=False,
    ),
]
RoomAdmin: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--room-admin",
        envvar="TIDEGATE_ROOM_ADMIN",
        help="The room's address, whose onsales the console shows by its admin API.",
    ),
]
RoomAdminTokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--room-admin-token-file",
        envvar="TIDEGATE_ROOM_ADMIN_TOKEN_FILE",
        help="File with the bearer token for it.",
    ),
]


def console_of(
    tokens: Path | None,
    url: str | None,
    trusted_proxies: list[str] | None,
    room_admin: str | None,
    room_admin_token_file: Path | None,
) -> ConsoleSettings | None:
    """Return the console's settings; None where there is to be none.

    Raises:
        typer.BadParameter: they are for a console, and there is none.
        ConfigurationError: an address is none, or half of what belongs together is missing.
    """
    from autoscaler.console.settings import ConsoleSettings

    if tokens is None:
        # Not `trusted_proxies`: its variable is the room's as well, and may be there for that one.
        if url or room_admin or room_admin_token_file:
            raise typer.BadParameter("is needed for a console", param_hint="--console-tokens")
        return None
    return ConsoleSettings(tokens, url, tuple(trusted_proxies or ()), room_admin, room_admin_token_file)
