"""Each action of an operator: the body it takes, and what it asks of the store's script; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rulebook import Onsale
from rulebook.units import parse_rate
from waitingroom.errors import ChangeRefused
from waitingroom.web import admin_documents as documents


@dataclass(frozen=True, slots=True)
class Command:
    """A verb of `operate.lua` and its arguments."""

    verb: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """An action by its name in the API. `command` may refuse what the document doesn't allow."""

    summary: str
    body: type[documents.Body]
    command: Callable[[Any, Onsale], Command]


def _set(field: str, value: str) -> Command:
    return Command("set", (field, value))


def _rate(body: documents.Rate, onsale: Onsale) -> Command:
    if body.rate is None:
        return _set("ops_rate", "")
    rate, ceiling = parse_rate(body.rate), onsale.spec.admission.rate_per_s
    if rate > ceiling:
        raise ChangeRefused(f"the document's ceiling is {ceiling:g}/s; write a higher one there")
    return _set("ops_rate", repr(rate))


def _capacity(body: documents.Capacity, onsale: Onsale) -> Command:
    if body.capacity is None:
        return _set("ops_capacity", "")
    ceiling = onsale.spec.admission.capacity
    if ceiling is not None and body.capacity > ceiling:
        raise ChangeRefused(f"the document's capacity is {ceiling}; write a higher one there")
    return _set("ops_capacity", str(body.capacity))


ACTIONS: Mapping[str, OperatorAction] = {
    "hold": OperatorAction(
        "Release nobody for now; buyers are shown the reason",
        documents.Hold,
        lambda body, _: _set("hold", body.reason),
    ),
    "resume": OperatorAction("Release again", documents.Empty, lambda _body, _: _set("hold", "")),
    "rate": OperatorAction("Set or take back the operator's ceiling of the rate", documents.Rate, _rate),
    "capacity": OperatorAction(
        "Set or take back the operator's bound on live sessions", documents.Capacity, _capacity
    ),
    "open": OperatorAction(
        "Open now, or as the document says",
        documents.Moment,
        lambda body, _: Command("open" if body.at == "now" else "reopen"),
    ),
    "close": OperatorAction(
        "Close now, or as the document says; gates guard the shop until the document's closes all the same",
        documents.Moment,
        lambda body, _: Command("close" if body.at == "now" else "reopen"),
    ),
    "soldout": OperatorAction(
        "Say that everything is sold, which closes the onsale; gates guard the shop until the document's closes all the same",
        documents.SoldOut,
        lambda body, _: Command("soldout", ("1" if body.soldout else "",)),
    ),
    "beacon": OperatorAction(
        "Give the value of the draw's beacon, once the onsale has opened; it cannot be changed",
        documents.Beacon,
        lambda body, _: Command("beacon", (body.value,)),
    ),
    "message": OperatorAction(
        "Show buyers a message", documents.Message, lambda body, _: _set("message", body.message or "")
    ),
}
