"""What an operator sets for the console."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from autoscaler.errors import ConfigurationError
from rulebook.addresses import LOOPBACK, Networks, read_networks


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Settings of the console, which is served where /status is. Without a token file there is none.

    Raises:
        ConfigurationError: an address is none, or half of what belongs together is missing.
    """

    tokens: Path
    """The token file: who may sign in, and as what; the same form as the room's."""

    url: str | None = None
    """The address people reach it by, where a proxy stands before it; with https, cookies are for https only. Of several scalers
    each is best given its own: while it leads, the others send people there."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks (CIDR) of the proxies which may say in X-Forwarded-For who asks; where none is named, this machine's
    own if there is a `url`, and else nobody's."""

    room_admin: str | None = None
    """The address of the room, for its admin API; None shows no onsales."""

    room_admin_token_file: Path | None = None
    """A file with the bearer token for it, an operator's if operators are to act on onsales."""

    def __post_init__(self) -> None:
        for name, address in (("console-url", self.url), ("room-admin", self.room_admin)):
            if address is not None and not is_address(address):
                raise ConfigurationError(
                    f"--{name} {address!r} is not an address like https://ops.example.org"
                )
        try:
            read_networks(self.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(f"--trusted-proxy: {error}") from error
        if (self.room_admin is None) != (self.room_admin_token_file is None):
            raise ConfigurationError("--room-admin and --room-admin-token-file go together")

    @property
    def origin(self) -> str | None:
        """The origin of `url`, as browsers write it."""
        return None if self.url is None else str(URL(self.url).origin())

    @property
    def proxies(self) -> Networks:
        """Whose word counts about who asks."""
        return read_networks(self.trusted_proxies or (LOOPBACK if self.url is not None else ()))

    @property
    def secure(self) -> bool:
        """Whether cookies are for https only."""
        return self.url is not None and self.url.startswith("https://")


def is_address(text: str) -> bool:
    """Tell whether a text is an address of a page: http or https, and nobody's password in it."""
    try:
        url = URL(text)
        return url.scheme in ("http", "https") and bool(url.host) and url.user is None
    except ValueError:
        return False
