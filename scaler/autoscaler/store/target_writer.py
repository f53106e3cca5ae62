"""The only module that writes admission targets: scripts put them in force and take them back, by the store's own clock."""

from __future__ import annotations

from collections.abc import Collection

from redis.exceptions import RedisError

from autoscaler.admission import AdmissionTarget, Withdrawal, Written
from autoscaler.errors import LaterTerm, StoreUnavailable, brief
from autoscaler.store.connection import Script, StoreClient
from rulebook.coupling import US_PER_S, targets_key, terms_key

FENCE_KEPT_S = 86_400.0
"""How long a fence stands after it was last put up: longer than any process is frozen and comes back."""


class TargetWriter:
    """Writes admission targets."""

    def __init__(self, client: StoreClient) -> None:
        self._script = Script(client, "write_target.lua")
        self._fence = Script(client, "fence_target.lua")
        self._withdraw = Script(client, "withdraw_target.lua")

    async def write(self, target: AdmissionTarget) -> Written:
        """Put a target in force, or extend the one in force when it says the same.

        Raises:
            StoreUnavailable: there is no answer. The target may have been written; writing it again does no harm.
        """
        arguments = (
            target.rule,
            target.term,
            # Equal rates are equal texts, by which the script knows a target that is in force already.
            repr(float(target.rate_per_s)),
            "" if target.capacity is None else target.capacity,
            target.reason,
            round(target.validity_s * US_PER_S),
            "" if target.outlook is None else target.outlook.to_text(),
        )
        try:
            accepted, *times, term = await self._script(
                keys=[targets_key(target.onsale), terms_key(target.onsale)], args=arguments
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        now_s, from_s, until_s = (int(time_us) / US_PER_S for time_us in times)
        return Written(bool(accepted), now_s, from_s, until_s, int(term))

    async def fence(self, onsale: str, rule: str, term: int) -> None:
        """Have targets of this rule refused from now on whose writers are of an earlier term.

        Raises:
            LaterTerm: a later one has been here.
            StoreUnavailable: there is no answer. It may have been done; doing it again does no harm.
        """
        try:
            stands = int(
                await self._fence(keys=[terms_key(onsale)], args=(rule, term, round(FENCE_KEPT_S * 1000)))
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        if stands > term:
            raise LaterTerm(
                f"onsale {onsale}: a leader of term {stands} has taken over from term {term}", stands
            )

    async def withdraw(self, onsale: str, rule: str, term: int, after: Collection[str]) -> Withdrawal:
        """Have a rule count no more for an onsale, once each rule of `after` has a target in force there.

        Raises:
            LaterTerm: a writer of a later term has been here; its target stands.
            StoreUnavailable: there is no answer. It may have been done; doing it again does no harm.
        """
        arguments: tuple[str | int, ...] = (rule, term, round(FENCE_KEPT_S * 1000), *after)
        try:
            outcome, stands = await self._withdraw(
                keys=[targets_key(onsale), terms_key(onsale)], args=arguments
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        if outcome == "refused":
            raise LaterTerm(
                f"onsale {onsale}: a leader of term {stands} has taken over from term {term}", int(stands)
            )
        return Withdrawal(outcome)
