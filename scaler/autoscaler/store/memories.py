"""Keeps what rules remember in the store: a hash each, written by a script that refuses the writers of an earlier term."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from redis.exceptions import RedisError

from autoscaler.errors import StoreUnavailable, brief
from autoscaler.keeping.keeper import Found, MemoryKey
from autoscaler.store.connection import Script, StoreClient
from rulebook.coupling import US_PER_S

KEPT_FOR_S = 14 * 86_400.0
"""How long what a rule remembers stays after its last round; beyond the longest window by far."""


class StoreMemories:
    """The store as a keeper."""

    where = "the store"
    gather_s = 0.02

    def __init__(self, client: StoreClient) -> None:
        self._load = Script(client, "load_memory.lua")
        self._save = Script(client, "save_memory.lua")

    async def load(self, key: MemoryKey) -> Found | None:
        """Return what was kept; None where nothing was.

        Raises:
            StoreUnavailable: there is no answer.
        """
        try:
            answer = await self._load(keys=[memory_key(key)])
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        return Found(answer[0], int(answer[1]) / US_PER_S) if answer else None

    async def save(self, texts: Mapping[MemoryKey, str], term: int) -> Mapping[MemoryKey, int]:
        """Keep texts; returns which were refused, and by which term.

        Raises:
            StoreUnavailable: there is no answer; some or all may have been kept.
        """
        results = await asyncio.gather(
            *(self._save_one(key, text, term) for key, text in texts.items()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        answers = zip(texts, results, strict=True)
        return {key: newest for key, newest in answers if isinstance(newest, int) and newest != term}

    async def _save_one(self, key: MemoryKey, text: str, term: int) -> int:
        try:
            accepted, newest = await self._save(
                keys=[memory_key(key)], args=(term, text, round(KEPT_FOR_S * 1000))
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"store: {brief(error)}") from error
        return term if accepted else int(newest)


def memory_key(key: MemoryKey) -> str:
    """Name the hash of one rule on one target: scalers of several clusters may share a store."""
    return ":".join(("{scaler}:memory", key.rule, *key.target))
