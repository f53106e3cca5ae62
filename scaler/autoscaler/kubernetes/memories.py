"""Keeps what rules remember in ConfigMaps: a few, each with the memories of many rules, so that etcd has little to write.

Each is written whole, only in the version that was seen, and says in an annotation which term wrote it: a later leader's is
never overwritten. Kubernetes gives no clock to go by; how old a text is, it says itself. The client is one of its own, since
scaling must not wait behind this.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from autoscaler.clock import Clock
from autoscaler.errors import Conflict, KubernetesError, Missing
from autoscaler.keeping.keeper import Found, MemoryKey
from autoscaler.kubernetes.answers import Json
from autoscaler.kubernetes.client import KubernetesClient
from autoscaler.kubernetes.cluster import open_own_client
from autoscaler.kubernetes.resources import Resource
from autoscaler.settings import ScalerSettings

CONFIG_MAPS: Final = Resource("v1", "configmaps")
TERM: Final = "tidegate.dev/term"
SHARDS: Final = 8
"""ConfigMaps at most; a thousand rules take about a tenth of what one may hold."""
MAX_BYTES: Final = 1024 * 1024
"""What the API server takes in one ConfigMap."""
KEPT_FOR_S: Final = 14 * 86_400.0
GATHER_S: Final = 10.0
FRESH_S: Final = 2.0
"""So long, one reading serves all rules that are recalled together."""
TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class _Shard:
    """A ConfigMap as it was last seen; `found` is None where there is none."""

    found: Json | None
    term: int
    data: Mapping[str, str]
    seen_s: float


class ConfigMapMemories:
    """ConfigMaps of one namespace as a keeper."""

    gather_s = GATHER_S

    def __init__(self, client: KubernetesClient, namespace: str, name: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._shards: dict[int, _Shard] = {}
        self._locks = [asyncio.Lock() for _ in range(SHARDS)]

    @property
    def where(self) -> str:
        """As people say it."""
        return f"ConfigMaps {self._namespace}/{self._name}-0 to -{SHARDS - 1}"

    async def load(self, key: MemoryKey) -> Found | None:
        """Return what was kept; None where nothing was.

        Raises:
            KubernetesError: it cannot be read.
        """
        index = shard_of(key)
        async with self._locks[index]:
            shard = self._shards.get(index)
            if shard is None or self._clock.monotonic_s() - shard.seen_s > FRESH_S:
                shard = await self._read(index)
        text = shard.data.get(field_of(key))
        return None if text is None else Found(text, None)

    async def save(self, texts: Mapping[MemoryKey, str], term: int) -> Mapping[MemoryKey, int]:
        """Keep texts; returns which were refused, and by which term.

        Raises:
            KubernetesError: there is no answer, or no right to write; some or all may have been kept.
        """
        by_shard: defaultdict[int, dict[MemoryKey, str]] = defaultdict(dict)
        for key, text in texts.items():
            by_shard[shard_of(key)][key] = text
        refused: dict[MemoryKey, int] = {}
        for index, some in by_shard.items():
            newest = await self._save(index, {field_of(key): text for key, text in some.items()}, term)
            if newest > term:
                refused.update(dict.fromkeys(some, newest))
        return refused

    async def _save(self, index: int, fields: Mapping[str, str], term: int) -> int:
        """Write into one ConfigMap unless a later term has; returns the term that stands then."""
        async with self._locks[index]:
            for tries_left in reversed(range(TRIES)):
                shard = self._shards.get(index) or await self._read(index)
                if shard.term > term:
                    self._shards.pop(index, None)
                    return shard.term
                try:
                    await self._write(index, shard, {**shard.data, **fields}, term)
                    return term
                except (Conflict, Missing):  # written, made or deleted by others meanwhile
                    self._shards.pop(index, None)
                    if not tries_left:
                        raise
                except KubernetesError:  # nobody knows what stands there now
                    self._shards.pop(index, None)
                    raise
        raise AssertionError("not reached")

    async def _read(self, index: int) -> _Shard:
        try:
            found: Json | None = await self._client.get(
                CONFIG_MAPS.object(self._namespace, self._title(index))
            )
        except Missing:
            found = None
        return self._take(index, found, drop_before_s=self._clock.now_s() - KEPT_FOR_S)

    async def _write(self, index: int, shard: _Shard, data: Mapping[str, str], term: int) -> None:
        size = sum(len(name) + len(text.encode()) for name, text in data.items())
        if size > MAX_BYTES:
            told = f"ConfigMap {self._namespace}/{self._title(index)} would take {size} bytes, more than {MAX_BYTES}"
            raise KubernetesError(told)
        before = (shard.found or {}).get("metadata") or {}
        metadata: Json = {
            **{
                name: before[name]
                for name in ("uid", "labels", "ownerReferences", "finalizers")
                if name in before
            },
            "name": self._title(index),
            "namespace": self._namespace,
            "annotations": {**(before.get("annotations") or {}), TERM: str(term)},
        }
        body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
        if shard.found is None:
            path = CONFIG_MAPS.collection(self._namespace)
            written = await self._client.request("POST", path, body=body)
        else:
            metadata["resourceVersion"] = before["resourceVersion"]
            path = CONFIG_MAPS.object(self._namespace, self._title(index))
            written = await self._client.request("PUT", path, body=body)
        self._take(index, written)

    def _take(self, index: int, found: Json | None, *, drop_before_s: float | None = None) -> _Shard:
        annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
        stated = annotations.get(TERM, "")
        data = (found or {}).get("data") or {}
        if drop_before_s is not None:
            data = {name: text for name, text in data.items() if not _is_older(text, drop_before_s)}
        shard = _Shard(found, int(stated) if stated.isdecimal() else 0, data, self._clock.monotonic_s())
        self._shards[index] = shard
        return shard

    def _title(self, index: int) -> str:
        return f"{self._name}-{index}"


@asynccontextmanager
async def open_memories(settings: ScalerSettings, clock: Clock) -> AsyncIterator[ConfigMapMemories]:
    """Keep memories in the cluster which the settings name, until the context ends.

    Raises:
        ConfigurationError: no cluster is named, none is here, or what names it cannot be used.
    """
    async with open_own_client(settings, clock, settings.memory_namespace) as (client, namespace):
        yield ConfigMapMemories(client, namespace, settings.memory_name, clock)


def field_of(key: MemoryKey) -> str:
    """Name the field of one rule on one target, in the few characters and the length that are allowed."""
    target = hashlib.sha256("\0".join(key.target).encode()).hexdigest()[:16]
    return f"{key.rule}.{target}"


def shard_of(key: MemoryKey) -> int:
    """Tell which ConfigMap a rule's memory is in."""
    return hashlib.sha256(field_of(key).encode()).digest()[0] % SHARDS


def _is_older(text: str, before_s: float) -> bool:
    """Tell whether nobody has written a memory for long: its rule is gone. What cannot be understood is of no use either."""
    try:
        return not float(json.loads(text)["at"]) >= before_s
    except (ValueError, TypeError, KeyError):
        return True
