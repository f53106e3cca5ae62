"""An onsale document as the settings which the store's scripts work by."""

from __future__ import annotations

import hashlib
from datetime import datetime

from rulebook import Onsale
from rulebook.coupling import US_PER_S


def room_settings(onsale: Onsale) -> dict[str, str]:
    """Return the fields of the room hash; empty strings stand for "not set".

    `config` names this very set of values, save `order` and `beacon_source`: those stay what they were once somebody has joined.
    """
    limits = onsale.spec.admission
    fallback = limits.fallback_rate_per_s
    settings = {
        "rate": repr(limits.rate_per_s),
        "burst": str(limits.burst),
        "capacity": "" if limits.capacity is None else str(limits.capacity),
        "fallback": "" if fallback is None else repr(min(limits.rate_per_s, fallback)),
        "claim_us": str(int(limits.claim_within_s * US_PER_S)),
        "prequeue_us": _microseconds(onsale.spec.prequeue or onsale.spec.opens),
        "opens_us": _microseconds(onsale.spec.opens),
        "closes_us": _microseconds(onsale.spec.closes),
    }
    content = "\n".join(f"{name}={value}" for name, value in settings.items())
    config = hashlib.sha256(content.encode()).hexdigest()[:16]
    order = {"order": onsale.spec.order, "beacon_source": beacon_source_of(onsale)}
    return {**settings, **order, "config": config}


def beacon_source_of(onsale: Onsale) -> str:
    """Return the public source which was announced for the draw, "" for none."""
    return onsale.spec.draw.beacon if onsale.spec.draw else ""


def _microseconds(moment: datetime | None) -> str:
    return str(int(moment.timestamp() * US_PER_S)) if moment else "0"
