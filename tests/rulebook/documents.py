"""Documents that are right, for tests to change one thing in; and short ways to build observations."""

from __future__ import annotations

from typing import Any

from rulebook import (
    Crowd,
    Kept,
    Memory,
    Missing,
    Observation,
    Reading,
    ScalingRule,
    Value,
    read_kept,
    write_kept,
)

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  replicas: {min: 2, max: 60}
  signals:
    - name: requests
      prometheus: {query: up}
      perReplica: 50/s
    - name: latency
      prometheus: {query: up}
      target: 300ms
  admission: {onsale: gala, perReadyReplica: 5/s, slow: {signal: latency, above: 500ms}}
"""

ONSALE = """\
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: gala}
spec:
  shop: https://shop.example.org/
  prequeue: 2026-12-05T09:30:00+01:00
  opens: 2026-12-05T10:00:00+01:00
  closes: 2026-12-05T18:00:00+01:00
  order: draw
  protect: [{host: shop.example.org, path: /gala}]
  admission: {rate: 20/s, burst: 40}
  session: {length: 10m, max: 30m}
"""

POOL = """\
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: shop}
spec:
  command: [python3, shop.py, "{port}"]
  ports: {from: 9101, to: 9120}
"""

NOW_S = 1_800_000_000.0


def rule(**spec: Any) -> ScalingRule:
    """Build a rule with one signal `requests` at 10 a replica; `spec` replaces fields, names as in documents."""
    fields = {
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "replicas": {"min": 1, "max": 100},
        "interval": "15s",
        "signals": [share("requests", 10)],
        **spec,
    }
    return ScalingRule.model_validate({"metadata": {"name": "web"}, "spec": fields})


def share(name: str, per_replica: float | str, **more: Any) -> dict[str, Any]:
    """A signal measured as a share of each replica."""
    return {"name": name, "prometheus": {"query": "up"}, "perReplica": per_replica, **more}


def total(name: str, target: float | str, **more: Any) -> dict[str, Any]:
    """A signal with a target for the workload as a whole."""
    return {"name": name, "prometheus": {"query": "up"}, "target": target, **more}


def crowd_signal(drain_within: str = "20s", per_replica: str = "8/s") -> dict[str, Any]:
    """The crowd before the onsale `gala`."""
    return {
        "name": "crowd",
        "onsale": {"name": "gala", "drainWithin": drain_within},
        "perReplica": per_replica,
    }


def seen(
    current: int, readings: dict[str, float | Reading] | None = None, *, ready: int | None = None
) -> Observation:
    """An observation; plain numbers become values read just now."""
    return Observation(
        current,
        current if ready is None else ready,
        {
            name: reading if isinstance(reading, Value | Missing | Crowd) else Value(reading, NOW_S)
            for name, reading in (readings or {}).items()
        },
    )


def again(memory: Memory) -> Memory:
    """Write a memory down and read it again, as a restart does."""
    return read_kept(write_kept(Kept(("apps", "Deployment", "shop", "web"), 5, NOW_S, memory))).memory
