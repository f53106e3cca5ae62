"""A sale with a crowd, and a scaler in trouble beside it, both scraped by a real Prometheus: what dashboards are to show.

The sale is the demo's stack. The scaler in trouble runs on the little API server: its target is scaled by hand, a write of its is
refused, its watch breaks off, its signal goes missing; so what shows only then is there to be shown as well.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from redis.asyncio import Redis

from autoscaler.store.connection import open_client
from rulebook.signals import SignalSpec
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little_cluster
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.autoscaler.prometheus_server import Prometheus, until_scraped
from tests.system.dashboards import ROOT
from tests.system.scalers import ScalerProcess
from tests.waitingroom.shopkeys import Shop
from tidegate.demo.documents import DemoDocuments, load_demo_documents
from tidegate.demo.examples import find_examples
from tidegate.demo.options import DemoOptions
from tidegate.demo.performance import Performance
from tidegate.demo.screen import PlainScreen
from tidegate.demo.stack import Stack, running_stack

SALE, TROUBLE = "sale", "trouble"
"""Namespaces, as Prometheus in a cluster labels what it scrapes."""
WITHIN_S = 120.0
"""Only ends a test that is lost."""

_EVERY_S = 1
_CONFIG = """\
global: {scrape_interval: %(every)ds, scrape_timeout: %(every)ds, evaluation_interval: %(every)ds}
rule_files: [recording.yaml, alerts.yaml]
scrape_configs:
  - job_name: tidegate
    file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]
"""
_PRESALE = """\
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: presale}
spec:
  title: {en: Presale}
  shop: https://shop.example.org/
  entry: token
  entryToken: {keysFile: shop.jwks.json, issuer: https://shop.example.org}
  admission: {rate: 20/s, burst: 40}
"""
_RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, name: web}
  replicas: {min: 1, max: 50}
  interval: 500ms
  signals:
    - name: busy
      exposition: {gauge: busy, urls: ["%s/metrics"]}
      perReplica: 1
  behavior: {scaleUp: {policies: [{type: Pods, value: 50, periodSeconds: 1}]}}
  fallback: {after: 3, replicas: 4, mode: atLeast}
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: from when to when (unix seconds), with the doors opening at `opens_s`; Prometheus runs on."""

    prometheus: Prometheus
    began_s: float
    opens_s: float
    ended_s: float

    def series(self, promql: str) -> list[list[float]]:
        """Return the values of each series that a query gives, a step a second over all that was played."""
        asked = {"query": promql, "start": self.began_s, "end": self.ended_s, "step": "1"}
        return [
            [float(value) for _, value in each["values"]]
            for each in self._ask("query_range", asked)["result"]
        ]

    def label_values(self, selector: str, label: str) -> list[str]:
        """Return the values of a label, as Grafana asks for them."""
        asked = {"match[]": selector, "start": self.began_s, "end": self.ended_s}
        found: list[str] = self._ask(f"label/{label}/values", asked)
        return found

    def _ask(self, path: str, asked: dict[str, Any]) -> Any:
        url = f"{self.prometheus.url}/api/v1/{path}?{urlencode(asked)}"
        with urllib.request.urlopen(url) as answer:  # noqa: S310  # http, on the loopback address
            return json.load(answer)["data"]


def write_config(folder: Path) -> None:
    """Write Prometheus' configuration with the project's rules; recorded every second, as everything here goes fast."""
    rules = ROOT / "deploy" / "prometheus"
    recording = (rules / "recording.yaml").read_text().replace("interval: 15s", f"interval: {_EVERY_S}s")
    (folder / "recording.yaml").write_text(recording)
    (folder / "alerts.yaml").write_text((rules / "alerts.yaml").read_text())
    (folder / "prometheus.yml").write_text(_CONFIG % {"every": _EVERY_S})


def write_targets(folder: Path, addresses: dict[str, Sequence[str]]) -> None:
    """Say what is scraped, by namespace; Prometheus follows the file."""
    groups = [{"targets": list(found), "labels": {"namespace": name}} for name, found in addresses.items()]
    draft = folder / "targets.draft"
    draft.write_text(json.dumps(groups))
    draft.replace(folder / "targets.json")


def documents() -> DemoDocuments:
    """Return the demo's, its rule with a signal of Prometheus beside its own."""
    found = load_demo_documents(find_examples("demo"))
    query = {"query": "sum(shop_checkouts_in_progress)"}
    asked = {"name": "asked", "prometheus": query, "perReplica": 5, "onMissing": "ignore"}
    spec = found.rule.spec
    spec = spec.model_copy(update={"signals": (*spec.signals, SignalSpec.model_validate(asked))})
    return replace(found, rule=found.rule.model_copy(update={"spec": spec}))


@asynccontextmanager
async def following(folder: Path, stack: Stack, trouble: str) -> AsyncIterator[None]:
    """Have Prometheus scrape room, scalers, and whichever replicas of the shop are ready."""

    async def follow() -> None:
        while True:
            ready: list[str] = []
            with suppress(OSError):
                ready = stack.endpoints_file.read_text().split()
            ours = [stack.endpoints.room, stack.endpoints.scaler, *ready]
            addresses = [address.removeprefix("http://").rstrip("/") for address in ours if address]
            write_targets(folder, {SALE: addresses, TROUBLE: [trouble]})
            await asyncio.sleep(0.5)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def play(folder: Path, prometheus: Prometheus) -> Played:
    """Play the sale and the trouble; both are over when this returns."""
    began_s = time.time()
    onsales = folder / "sale" / "onsales"
    onsales.mkdir(parents=True)
    (onsales / "presale.yaml").write_text(_PRESALE)
    (onsales / "shop.jwks.json").write_text(json.dumps(Shop().published("EdDSA")))
    async with AsyncExitStack() as closing:
        stack = await closing.enter_async_context(running_stack(documents(), folder / "sale"))
        load = MetricsReplica("# TYPE busy gauge\nbusy 2\n")
        (url,) = await closing.enter_async_context(serve_replicas(load))
        (folder / "kubernetes").mkdir()
        cluster = await closing.enter_async_context(little_cluster(folder / "kubernetes"))
        scaler = await start_scaler(cluster, folder, stack.endpoints.store, url)
        closing.callback(scaler.end)
        await closing.enter_async_context(following(prometheus.folder, stack, scaler.address))
        performance = Performance(DemoOptions(buyers=120, seconds=8.0, seed=3), stack, PlainScreen())
        await asyncio.gather(performance.play(), make_trouble(prometheus, cluster, scaler, load))
        store = open_client(stack.endpoints.store)
        closing.push_async_callback(store.aclose)
        await end(prometheus, stack, store)
        return Played(prometheus, began_s, stack.opens_s, time.time())


async def start_scaler(cluster: Cluster, folder: Path, store: str, url: str) -> ScalerProcess:
    """Start the scaler in trouble, and see that it leads."""
    (folder / "rule.yaml").write_text(_RULE % url)
    await cluster.deploy("web", 2)
    config = cluster.kubeconfig(await cluster.admin_token(), "scaler.conf")
    scaler = ScalerProcess(
        "kubernetes", folder, "--rules", str(folder / "rule.yaml"), "--store", store,
        "--kubeconfig", str(config), "--leader", "kubernetes",
    )  # fmt: skip
    await scaler.until_leading()
    return scaler


async def make_trouble(
    prometheus: Prometheus, cluster: Cluster, scaler: ScalerProcess, load: MetricsReplica
) -> None:
    """One fault after the other, each as soon as Prometheus has seen the one before."""

    async def seen(promql: str) -> None:
        await until_scraped(prometheus, promql, bool, WITHIN_S)

    await seen('tidegate_scaler_desired_replicas{rule="web"}')
    await cluster.scale("web", 5)
    await seen('sum(tidegate_scaler_manual_scales_total{rule="web"}) > 0')
    cluster.server.faults.order(Fault(Kind.ERROR, times=2, verb="update", subresource="scale"))
    load.text = "# TYPE busy gauge\nbusy 7\n"
    await seen('sum(tidegate_scaler_failures_total{rule="web"}) > 0')
    # Tried again until it is written: by hand before, by the rule now.
    await seen('count(tidegate_scaler_scaled_timestamp_seconds{rule="web", direction="up"} > 0) > 1')
    cluster.server.faults.order(Fault(Kind.GONE, times=2, verb="watch"))
    cluster.server.cut_watches()
    await seen("sum(tidegate_scaler_watch_interruptions_total) > 0")
    load.status = 503
    await seen('ALERTS{alertname="TidegateRuleFallback", alertstate="firing"}')


async def end(prometheus: Prometheus, stack: Stack, store: Redis) -> None:
    """Put the line on hold, as an operator does, and ask for entry to the presale without a token."""
    await store.hset(f"{{{stack.documents.onsale.name}}}:room", "hold", "the sale is over")
    async with aiohttp.ClientSession() as http, http.post(f"{stack.endpoints.room}/presale/join"):
        pass
    # Some seconds old by then, so that a query by steps meets it, and a rate has two samples.
    for promql in (
        'tidegate_queue_rate_reason{reason="hold"} offset 3s',
        "count(rate(tidegate_queue_entry_refused_total[10s] offset 3s))",
    ):
        await until_scraped(prometheus, promql, bool, WITHIN_S)
