"""What the scaler's loop costs with many rules: a thousand of three signals each, all evaluated at the same moment.

Everything around it is real or faithful, and runs in processes of its own: a Prometheus that scrapes an exporter, a Valkey with
the figures of as many onsales, and a little Kubernetes API server with a Deployment a rule. At any time one load in twenty is
higher, so that some rules scale in each round. Rounds follow each other at once; the scaler's clock is told that an interval has
passed, so that no answer of the round before is still good. Each round reads two queries and an onsale a rule, decides, writes
replicas where that is due, an admission target and the memory.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from rulebook.coupling import US_PER_S, figures_key
from tests.autoscaler.prometheus_server import Exporter, running_prometheus
from tests.benchmarks.children import Child, child, valkey
from tests.benchmarks.figures import Figure, middle

INTERVAL_S = 15.0
WARM_UP = 5
RUSH_S = 10.0
_RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {{name: web-{number}}}
spec:
  target: {{apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web-{number}}}
  replicas: {{min: 2, max: 60}}
  interval: {interval:g}s
  signals:
    - {{name: requests, prometheus: {{query: 'sum(requests{{app="web-{number}"}})'}}, perReplica: 50/s}}
    - {{name: latency, prometheus: {{query: 'max(latency{{app="web-{number}"}})'}}, target: 300ms}}
    - {{name: crowd, onsale: {{name: sale-{number}, drainWithin: 20m}}, perReplica: 5/s}}
  behavior:
    scaleDown: {{stabilizationWindowSeconds: 60, policies: [{{type: Percent, value: 50, periodSeconds: 30}}]}}
  admission: {{onsale: sale-{number}, perReadyReplica: 5/s, slow: {{signal: latency, above: 500ms}}}}
"""


def loop(rules: int, intervals: int) -> list[Figure]:
    """Evaluate `rules` rules `intervals` times: `loop_cpu_share`, `loop_seconds`, `loop_memory_growth`, `loop_failed`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-")))
        (folder / "rules").mkdir()
        for number in range(rules):
            text = _RULE.format(number=number, interval=INTERVAL_S)
            (folder / "rules" / f"rule-{number}.yaml").write_text(text)
        store_url = stack.enter_context(valkey(folder))
        client = stack.enter_context(redis.Redis.from_url(store_url))
        exporter = Exporter()
        exporter.page = lambda: _page(rules)
        exporter.start()
        stack.callback(exporter.stop)
        prometheus = stack.enter_context(running_prometheus(folder / "prometheus", exporter.address))
        _until_scraped(prometheus.url, prometheus)
        cluster = stack.enter_context(child("loop_cluster", {"folder": str(folder), "deployments": rules}))
        where = {"folder": str(folder), "store": store_url, "prometheus": prometheus.url}
        _publish(client, rules)
        scaler = stack.enter_context(child("loop_scaler", {**where, "interval_s": INTERVAL_S}))
        for _ in range(WARM_UP):
            _round(scaler, client, rules)
        rounds = [_round(scaler, client, rules) for _ in range(intervals)]
        writes = cluster.ask("writes")
    return _figures(rules, rounds, writes)


def _round(scaler: Child, client: redis.Redis, rules: int) -> dict[str, Any]:
    _publish(client, rules)
    answer: dict[str, Any] = scaler.ask("round")
    return answer


def _figures(rules: int, rounds: list[dict[str, Any]], writes: int) -> list[Figure]:
    count = len(rounds)
    cpu_s = middle([entry["cpu_s"] for entry in rounds])
    seconds = [entry["seconds"] for entry in rounds]
    resident_kb = [entry["rss_kb"] for entry in rounds]
    start, half, end = peaks(resident_kb)
    failures = [why for entry in rounds for why in entry["failures"]]
    commonest = Counter(failures).most_common(1)
    why = f"mostly {commonest[0][0]}" if commonest else "no step failed, no signal was missing"
    note = f"{rules} rules x 3 signals, {writes} changes of replicas, {end / 1024:.0f} MiB in the end"
    return [
        Figure("loop_cpu_share", cpu_s / INTERVAL_S, "of a core", count, note=f"at {INTERVAL_S:g} s; {note}"),
        Figure(
            "loop_seconds", middle(seconds), "s", count, note=f"a round; the longest {max(seconds):.2f} s"
        ),
        Figure(
            "loop_memory_growth",
            end / half - 1,
            "of what was used",
            count,
            note=f"over the second half, by the most of a quarter; {end / start - 1:.1%} over all {count} rounds",
        ),
        Figure("loop_failed", len(failures), "rounds of rules", count * rules, note=why),
    ]


def peaks(resident_kb: Sequence[int]) -> tuple[int, int, int]:
    """Return the most memory in use in the first quarter of the rounds, in the one before half-time, and in the last.

    Caches and logs fill up at first; what grows in the second half of the run would grow for ever. The most, because connections
    to the API server come with the writes of a rush and go when they have been idle: each takes a quarter of a megabyte with TLS,
    and there are up to `ClientLimits.in_flight`. A short sample tells how many stood just then, and no growth.
    """
    quarter = max(len(resident_kb) // 4, 1)
    half = max(len(resident_kb) // 2, quarter)
    return max(resident_kb[:quarter]), max(resident_kb[half - quarter : half]), max(resident_kb[-quarter:])


def _page(rules: int) -> str:
    """Loads of which one in twenty is half as high again, each rule's at a time of its own."""
    turn = int(time.time() / RUSH_S)
    waves = [1.5 if (turn + number) % 20 == 0 else 1.0 for number in range(rules)]
    lines = [f'requests{{app="web-{number}"}} {300 * wave!r}' for number, wave in enumerate(waves)]
    lines += [f'latency{{app="web-{number}"}} {0.25 * wave!r}' for number, wave in enumerate(waves)]
    return "# TYPE requests gauge\n# TYPE latency gauge\n" + "\n".join(lines) + "\n"


def _publish(client: redis.Redis, rules: int) -> None:
    """Publish the figures of all onsales, as rooms do each second."""
    seconds, micros = client.time()
    fields: dict[str | bytes, bytes | float | int | str] = {
        "at_us": seconds * US_PER_S + micros,
        "waiting": 600,
        "late": 3,
        "tail": 5000,
        "released": 4400,
        "claimed": 4300,
        "sessions": 250,
        "arrivals_per_s": "12.5",
        "released_per_s": "10.0",
        "claimed_per_s": "9.5",
        "opens_us": 0,
    }
    with client.pipeline(transaction=False) as pipeline:
        for number in range(rules):
            pipeline.hset(figures_key(f"sale-{number}"), mapping=fields)
        pipeline.execute()


def _until_scraped(url: str, prometheus: Any) -> None:
    deadline_s = time.monotonic() + 60
    while prometheus.number("count(requests)") is None:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the Prometheus at {url} has scraped nothing")
        time.sleep(0.1)
