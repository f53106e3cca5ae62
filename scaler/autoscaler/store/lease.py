"""A lease in the store, for scalers without Kubernetes: one hash, written by a script in the place of what was seen.

It does not expire by itself: whether it has run out is judged by those who watch it, as with a lease in Kubernetes. A store that
lost its data has no lease; the leader, who knows its term, writes it anew.
"""

from __future__ import annotations

from redis.exceptions import RedisError

from autoscaler.errors import LeaseTaken, StoreUnavailable, brief
from autoscaler.leadership.lease import Lease
from autoscaler.store.connection import Script, StoreClient


def lease_key(name: str) -> str:
    """Name the hash; in braces like all keys, so that one pattern covers them in an ACL."""
    return f"{{scaler}}:lease:{name}"


class StoreLease:
    """Keeps the lease of one name."""

    def __init__(self, client: StoreClient, name: str) -> None:
        self._key = lease_key(name)
        self._client = client
        self._script = Script(client, "write_lease.lua")

    async def read(self) -> Lease | None:
        """Return the lease, if there is one.

        Raises:
            StoreUnavailable: there is no answer, or what stands there cannot be read.
        """
        try:
            found = await self._client.hgetall(self._key)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        if not found:
            return None
        fields = {str(name): str(value) for name, value in found.items()}
        try:
            return Lease(
                holder=fields["holder"],
                term=int(fields["term"]),
                duration_s=float(fields["duration_s"]),
                acquired_at_s=float(fields["acquired_at_s"]),
                renewed_at_s=float(fields["renewed_at_s"]),
                version=fields["version"],
            )
        except (KeyError, ValueError) as error:
            told = f"lease {self._key} cannot be read: {brief(error)}; delete it"
            raise StoreUnavailable(told) from error

    async def write(self, lease: Lease, seen: Lease | None) -> Lease:
        """Put a lease in the place of the one seen; None: of none. Returns it with its new version.

        Raises:
            LeaseTaken: another one stands there by now.
            StoreUnavailable: there is no answer; it may have been written all the same.
        """
        version = int(seen.version) + 1 if seen is not None else 1
        arguments = (
            "" if seen is None else seen.version,
            version,
            lease.holder,
            lease.term,
            # `repr` gives a float back as it was.
            repr(lease.duration_s),
            repr(lease.acquired_at_s),
            repr(lease.renewed_at_s),
        )
        try:
            written = await self._script(keys=[self._key], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        if not written:
            raise LeaseTaken(f"lease {self._key}: somebody else has written it")
        return Lease(
            lease.holder, lease.term, lease.duration_s, lease.acquired_at_s, lease.renewed_at_s, str(version)
        )
