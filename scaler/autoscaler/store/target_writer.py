"""The one write path to the store: admission targets, put in force by a script and by the store's own clock."""

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import RedisError

from autoscaler.errors import StoreUnavailable, brief
from autoscaler.store.connection import Script, StoreClient
from rulebook.coupling import US_PER_S, targets_key


@dataclass(frozen=True, slots=True)
class AdmissionTarget:
    """What a rule lets an onsale admit: buyers/s and a bound of live sessions, for `validity_s` from the moment of writing."""

    onsale: str
    rule: str
    rate_per_s: float
    capacity: int | None
    reason: str
    validity_s: float
    term: int


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a target, in seconds of the store's clock.

    Not `accepted`: a writer of the higher `term` has been there; its target, with these times, stands.
    """

    accepted: bool
    store_now_s: float
    from_s: float
    until_s: float
    term: int


class TargetWriter:
    """Writes admission targets."""

    def __init__(self, client: StoreClient) -> None:
        self._script = Script(client, "write_target.lua")

    async def write(self, target: AdmissionTarget) -> Written:
        """Put a target in force, or extend the one in force when it says the same.

        Raises:
            StoreUnavailable: there is no answer. The target may have been written; writing it again does no harm.
        """
        arguments = (
            target.rule,
            target.term,
            # `repr` is how the segment's own encoding writes a rate, so that equal rates are equal texts.
            repr(float(target.rate_per_s)),
            "" if target.capacity is None else target.capacity,
            target.reason,
            round(target.validity_s * US_PER_S),
        )
        try:
            accepted, *times, term = await self._script(keys=[targets_key(target.onsale)], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        now_s, from_s, until_s = (int(time_us) / US_PER_S for time_us in times)
        return Written(bool(accepted), now_s, from_s, until_s, int(term))
