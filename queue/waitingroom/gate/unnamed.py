"""Tells operators of hosts that nobody has named: what is asked for there is sent to the line, and they may not have meant that.

Whoever asks chooses the host, so one is told of in a minute at the most.
"""

from __future__ import annotations

import math
import time

import structlog

from waitingroom.gate.guard import Judgement

_TOLD_EVERY_S = 60.0
_REASON = "no onsale names this host, so it is judged as those that are named; --free-host names one that needs no pass"

log = structlog.get_logger(__name__)


class UnnamedHosts:
    """What one gate has told of them."""

    def __init__(self) -> None:
        self._told_at_s = -math.inf

    def note(self, judgement: Judgement, request_id: str) -> None:
        """Log the host of a request that needs a pass for want of a name, if none was logged in the last minute."""
        now_s = time.monotonic()
        if judgement.onsale is None or now_s - self._told_at_s < _TOLD_EVERY_S:
            return
        self._told_at_s = now_s
        log.info(
            "host_unnamed",
            host=judgement.unnamed,
            onsale=judgement.onsale.name,
            reason=_REASON,
            request_id=request_id,
        )
