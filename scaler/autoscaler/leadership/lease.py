"""What a lease says, and what a candidate may do about it. Pure: times come in as arguments.

The rules are client-go's (`tools/leaderelection`). Wall clocks of different hosts are never compared: whether a lease has run out
is judged by one's own monotonic clock, from the moment at which its present form was first seen. So a clock that is wrong costs
nothing; one that *runs* faster than the leader's by more than the half of the lease that is kept in reserve could.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoscaler.errors import ConfigurationError

RENEW_SHARE = 2 / 3
RETRY_SHARE = 2 / 15
TRY_SHARE = 1 / 3
LONGEST_RETRY_S = 2.0
"""However long a lease lasts, it is looked at so often: one that was given back is taken soon."""
LONGEST_TRY_S = 5.0
RELEASED_S = 1.0
SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Timings:
    """How long what takes, in seconds. Of 15 s they are those of Kubernetes' own components: 10 s, 2 s, 5 s."""

    lease_s: float
    """How long others wait, after the last renewal that they saw, before they take over."""

    renew_within_s: float
    """How long a leader acts after its last renewal was *begun*; the rest is reserve, for what it has just sent."""

    retry_s: float
    """Between two tries."""

    try_s: float
    """How long one answer of the lease's keeper is waited for; a try asks up to three times."""

    @classmethod
    def of(cls, lease_s: float) -> Timings:
        """Divide a lease up.

        Raises:
            ConfigurationError: it is too short to be renewed in.
        """
        if not lease_s >= SHORTEST_S:
            raise ConfigurationError(f"a lease of {lease_s:g} s is too short: give at least {SHORTEST_S:g} s")
        return cls(
            lease_s,
            renew_within_s=lease_s * RENEW_SHARE,
            retry_s=min(lease_s * RETRY_SHARE, LONGEST_RETRY_S),
            try_s=min(lease_s * TRY_SHARE, LONGEST_TRY_S),
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it is kept. Times are unix seconds by its holder's clock, for people to read.

    `holder` is empty once it was released. `term` counts the changes of holder. `version` is the keeper's own mark of this
    very form, empty for one that was not written yet.
    """

    holder: str
    term: int
    duration_s: float
    acquired_at_s: float
    renewed_at_s: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A lease (None: there is none), and since when, by one's own monotonic clock, it was seen in this form.

    It is left alone for `rest_s` from then on: a lease that is held for its duration, and one that has vanished while it was
    held for as long, because whoever held it still acts and will write it anew. client-go lets others take that at once.
    """

    lease: Lease | None
    since_s: float
    rest_s: float = 0.0


def sight(before: Sighting | None, lease: Lease | None, now_s: float) -> Sighting:
    """Take note of a lease that was read. What merely has another version says nothing new: others may label a lease."""
    if before is not None and _said(before.lease) == _said(lease):
        return Sighting(lease, before.since_s, before.rest_s)
    if lease is not None:
        return Sighting(lease, now_s, lease.duration_s if lease.holder else 0.0)
    return Sighting(None, now_s, 0.0 if before is None else before.rest_s)


def unseen(sighting: Sighting, from_s: float, now_s: float) -> Sighting:
    """Leave out of account the time in which the lease's keeper did not answer: its holder could not renew it either.

    Else a leader that is well would lose its office to whoever is first when the keeper is back. To be refused the lease when it
    was free to take says the same, and that waiting has to begin anew.
    """
    if is_free(sighting, now_s):
        return replace(sighting, since_s=now_s)
    return replace(sighting, since_s=sighting.since_s + now_s - from_s)


def is_free(sighting: Sighting, now_s: float) -> bool:
    """Tell whether a lease may be taken: nobody holds it, or its holder has been silent for its duration."""
    return now_s - sighting.since_s >= sighting.rest_s


def taken(lease: Lease | None, identity: str, timings: Timings, now_s: float, last_term: int | None) -> Lease:
    """Return the lease as it is to be once taken; `now_s` in unix seconds.

    `last_term` is the highest that was ever seen: a lease which somebody deleted goes on counting from there.
    """
    known = [term for term in (None if lease is None else lease.term, last_term) if term is not None]
    term = max(known) + 1 if known else 0
    return Lease(identity, term, timings.lease_s, now_s, now_s, "" if lease is None else lease.version)


def renewed(lease: Lease, now_s: float, *, above: int | None = None) -> Lease:
    """Return one's own lease renewed, with its term raised above another if that is given."""
    term = lease.term if above is None else max(lease.term, above + 1)
    return replace(lease, renewed_at_s=now_s, term=term)


def released(lease: Lease, now_s: float) -> Lease:
    """Return one's own lease given up: nobody holds it, so the next takes it at once."""
    return replace(lease, holder="", duration_s=RELEASED_S, acquired_at_s=now_s, renewed_at_s=now_s)


def _said(lease: Lease | None) -> Lease | None:
    return None if lease is None else replace(lease, version="")
