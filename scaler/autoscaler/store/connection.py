"""The connection to Valkey or Redis. Opening it contacts nobody: the store may be down, and the scaler starts all the same."""

from __future__ import annotations

from importlib.resources import files

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from autoscaler.errors import ConfigurationError, brief

TIMEOUT_S = 2.0


def open_client(url: str) -> Redis:
    """Make a client whose calls give up after seconds; the next interval is the better retry.

    Raises:
        ConfigurationError: the URL is not one of a store.
    """
    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # One try more, at once: a connection which a restarted store has closed shows only when it is used.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as error:
        raise ConfigurationError(f"store URL {url!r}: {brief(error)}") from error


def load_script(name: str) -> str:
    """Return the text of a script of this package."""
    return files("autoscaler.store").joinpath(name).read_text(encoding="utf-8")
