"""When a pass is renewed; pure, and the same at the gate and in the middleware."""

from __future__ import annotations

from rulebook import Onsale
from waitingroom.passes import Pass

RENEW_AFTER_S = 60.0


def renew_after_s(onsale: Onsale) -> float:
    """Return the age at which a pass is renewed: a minute, or a third of a short session."""
    return min(RENEW_AFTER_S, onsale.spec.session.length_s / 3)


def is_due(onsale: Onsale, admission: Pass, now_s: float) -> bool:
    """Tell whether a pass is to be renewed: it is old enough, and its session can still go on."""
    return (
        now_s - admission.issued_at_s >= renew_after_s(onsale)
        and admission.expires_at_s < admission.ends_at_s
    )
