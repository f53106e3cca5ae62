"""A buyer comes to the shop's own process with a code: the room is asked for a pass, and cookies of this host are set. Blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rulebook import Onsale
from waitingroom.gate.arriving import REASONS, let_in, refuse
from waitingroom.gate.handover import code_in, is_at_shop
from waitingroom.gate.returning import return_address
from waitingroom.gate.turnaway import Answer, problem_answer
from waitingroom.middleware.checker import Asked
from waitingroom.middleware.roomclient import Admitted, ExchangeRefused, RoomUnreachable
from waitingroom.passes import device_hash
from waitingroom.web.cookies import find_device, new_device

Exchange = Callable[[str, str], Admitted]


def enter(
    asked: Asked, onsales: Mapping[str, Onsale], exchange: Exchange, *, room_url: str, secure: bool
) -> Answer:
    """Answer a request to the reserved path."""
    if asked.method != "GET":  # a HEAD would use the code up and bring its buyer nothing
        answer = problem_answer(405, "Method not allowed", "This address is read with GET.")
        return Answer(answer.status, (*answer.headers, ("Allow", "GET")), answer.body)
    code = code_in(asked.target)
    if code is None:
        return refuse("malformed", asked.accept, None)
    onsale = onsales.get(code.onsale)
    if onsale is None:
        return refuse("unknown", asked.accept, None)
    if not is_at_shop(onsale.spec.shop, asked.hosts):
        return refuse("elsewhere", asked.accept, None)
    room = f"{room_url.rstrip('/')}/{onsale.name}/"
    known = find_device(asked.cookie, secure=secure)
    device = known or new_device()
    try:
        admitted = exchange(code.text, device_hash(device))
    except ExchangeRefused as refused:
        return refuse(refused.reason if refused.reason in REASONS else "unknown", asked.accept, room)
    except RoomUnreachable:
        return refuse("unavailable", asked.accept, room)
    return let_in(
        onsale.name,
        admitted.token,
        device,
        return_address(onsale.spec.shop, admitted.location),
        stay_s=admitted.ends_at_s - time.time(),
        known=known is not None,
        secure=secure,
    )
