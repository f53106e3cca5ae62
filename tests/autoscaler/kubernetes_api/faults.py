"""What a test can order to go wrong, and when. The server asks here before it does anything for a client.

The answers are those of the real server: too many requests are refused by priority and fairness in plain text (apiserver
`pkg/server/filters/priority-and-fairness.go`), everything else by a `Status`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.autoscaler.kubernetes_api.requests import Asked
from tests.autoscaler.kubernetes_api.statuses import ApiError, expired, internal_error, unavailable


class Kind(Enum):
    """What happens to a request."""

    TOO_MANY = auto()
    """429, with the `seconds` to wait."""

    ERROR = auto()
    """An error with this `code`."""

    GONE = auto()
    """410 as the answer itself, as older servers and proxies give it to a watch; a newer server sends it as an event."""

    SLOW = auto()
    """The answer takes `seconds` longer."""

    CUT = auto()
    """The connection is cut, and nothing is done."""

    CUT_AFTER = auto()
    """What is asked is done, and the connection cut: the client cannot know."""

    HELD = auto()
    """The request is kept until the fault is `released`, and only then carried out."""

    CHANGED = auto()
    """Somebody else changes the object just before."""


@dataclass(slots=True)
class Fault:
    """One order: what happens, how often still (None: until it is taken back), and to which requests (empty: to all)."""

    kind: Kind
    times: int | None = 1
    verb: str = ""
    resource: str = ""
    subresource: str | None = None
    name: str = ""
    user: str = ""
    code: int = 500
    seconds: float = 0.0
    met: int = field(default=0)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, user: str, wanted: Asked) -> bool:
        """Tell whether it is for this request."""
        return (
            (not self.verb or wanted.verb == self.verb)
            and (not self.resource or wanted.resource == self.resource)
            and (self.subresource is None or wanted.subresource == self.subresource)
            and (not self.name or wanted.name == self.name)
            and (not self.user or user == self.user)
        )


class Faults:
    """The orders in force, oldest first; each request meets at most one."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []
        self._running = asyncio.Event()
        self._running.set()

    def order(self, fault: Fault) -> Fault:
        """Put an order in force; it counts in `met` how often it struck."""
        self._orders.append(fault)
        return fault

    def clear(self) -> None:
        """Take all orders back, and thaw."""
        self._orders.clear()
        self.thaw()

    def freeze(self) -> None:
        """Answer nobody: connections are taken, and nothing comes back, until `thaw`."""
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()

    async def running(self) -> None:
        """Return once the server is not frozen."""
        await self._running.wait()

    def take(self, user: str, wanted: Asked) -> Fault | None:
        """Return what is to happen to a request."""
        for fault in self._orders:
            if fault.meets(user, wanted):
                fault.met += 1
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._orders.remove(fault)
                return fault
        return None


def error_of(fault: Fault) -> ApiError:
    """Return the answer of an ordered error."""
    if fault.kind is Kind.GONE:
        return expired("too old resource version: 1 (100)")
    if fault.code == 503:
        return unavailable()
    error = internal_error("the storage is not what it was")
    error.status["code"] = fault.code
    return error
