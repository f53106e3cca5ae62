"""When places of a sale are given out, and so which places can be of this sale at all. Pure."""

from __future__ import annotations

from rulebook import Onsale
from waitingroom.snapshot import Snapshot

_MS_PER_S = 1000


def joining_begins_at_s(onsale: Onsale, snapshot: Snapshot | None) -> float | None:
    """Return when places are given out from (unix seconds); None for always."""
    operated = dict(snapshot.operated).get("ops_prequeue_us", "") if snapshot else ""
    if operated:
        return float(operated) / 1e6
    begins = onsale.spec.prequeue or onsale.spec.opens
    return begins.timestamp() if begins else None


def is_of_this_sale(epoch: int, onsale: Onsale, snapshot: Snapshot | None) -> bool | None:
    """Tell whether a place of `epoch` can have been given for this sale; None while nobody can tell.

    A browser keeps a place for a year, and the next sale may have the same name and the same keys. What the store does not know
    it may have lost, and then the place puts it back, with all numbers below its own before everybody else's. But where the
    store's line is older than the time from which places are given out, an older one was another sale's.
    """
    begins_at_s = joining_begins_at_s(onsale, snapshot)
    if begins_at_s is None:
        return True
    if snapshot is None or not snapshot.lines:
        return None
    oldest = snapshot.lines[0].epoch  # the store's time in ms when it began
    if epoch >= oldest or oldest >= begins_at_s * _MS_PER_S:
        return True
    # The joining may have been put off since: then a process that knows of the older line puts it back in these seconds.
    return None if snapshot.settling else False
