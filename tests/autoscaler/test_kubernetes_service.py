"""The whole scaler over a cluster, from its documents to /status, /metrics and Events."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from ruamel.yaml import YAML

from autoscaler.errors import AutoscalerError
from autoscaler.service import run_once, run_scaler
from autoscaler.settings import ScalerSettings
from tests.autoscaler.fakes import until
from tests.autoscaler.kubernetes_api.cluster import CUSTOM_GROUP, Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.autoscaler.running import running_scaler, write_documents
from tests.autoscaler.test_scaler_command import tidegate

__all__ = ["kubernetes", "little", "real"]

ROOT = Path(__file__).parents[2]
RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: %(name)s}
spec:
  target: {apiVersion: %(api)s, kind: %(kind)s, name: %(name)s}
  replicas: {min: 1, max: 9}
  interval: 500ms
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
  signals:
    - {name: busy, exposition: {gauge: busy, urls: ["%(url)s"]}, perReplica: 10}
"""


def rule_text(url: str, name: str = "web", kind: str = "Deployment", api: str = "apps/v1") -> str:
    return RULE % {"url": url, "name": name, "kind": kind, "api": api}


def write_rule(folder: Path, text: str, kubeconfig: Path) -> ScalerSettings:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "rule.yaml").write_text(text)
    return ScalerSettings(
        rules=(folder / "rules",), store_url="redis://127.0.0.1:1", port=0, kubeconfig=kubeconfig
    )


async def deployed(cluster: Cluster, replicas: int = 2) -> None:
    await cluster.deploy("web", replicas)
    await cluster.until_ready("web", replicas)


async def status_when(
    http: aiohttp.ClientSession, condition: Callable[[dict[str, Any]], bool], rule: str = "web"
) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            async with http.get("/status") as response:
                status: dict[str, Any] = (await response.json())["rules"][rule]
            if condition(status):
                return status
            await asyncio.sleep(0.05)


def seen_ready(status: dict[str, Any]) -> int:
    """Return how many were ready when the last decision was made; what is ready now may be ahead of it."""
    return status["decision"]["ready"] if status["decision"] else 0


def able(status: dict[str, Any]) -> str:
    found = [one["reason"] for one in status["conditions"] if one["type"] == "AbleToScale"]
    return str(found[0]) if found else ""


async def test_a_deployment_is_scaled_by_a_rule(kubernetes: Cluster, tmp_path: Path) -> None:
    await deployed(kubernetes)
    shop = MetricsReplica("# TYPE busy gauge\nbusy 50\n")
    async with serve_replicas(shop) as (url,):
        kubeconfig = kubernetes.kubeconfig(await kubernetes.admin_token())
        # Time enough for each step of a round on a busy machine: one that came too late would be an error.
        settings = write_rule(tmp_path, rule_text(url).replace("500ms", "3s"), kubeconfig)
        async with running_scaler(settings) as http:
            await kubernetes.until_ready("web", 5)
            status = await status_when(
                http, lambda rule: seen_ready(rule) == 5 and able(rule) == "ReadyForNewScale"
            )
            async with http.get("/metrics") as response:
                metrics = await response.text()
            await kubernetes.eventually(lambda: kubernetes.events("web"), lambda found: len(found) > 0)
    assert status["target"] == f"Deployment {kubernetes.namespace}/web"
    assert status["errors"] == []
    assert (
        'tidegate_scaler_condition{condition="AbleToScale",reason="ReadyForNewScale",rule="web"} 1.0'
        in metrics
    )
    assert 'tidegate_scaler_ready_replicas{rule="web"} 5.0' in metrics
    assert 'kubernetes_request_duration_seconds_count{code="200",verb="watch"}' in metrics
    assert 'kubernetes_request_duration_seconds_count{code="200",verb="put"} 1.0' in metrics


async def test_a_cluster_out_of_reach_is_waited_for(little: Cluster, tmp_path: Path) -> None:
    await deployed(little, 4)
    kubeconfig = little.kubeconfig(await little.admin_token())
    await little.server.stop()
    async with (
        serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 60\n")) as (url,),
        running_scaler(write_rule(tmp_path, rule_text(url), kubeconfig)) as http,
    ):
        status = await status_when(
            http,
            lambda rule: (
                rule["rounds"] >= 2
                and bool(rule["errors"])
                and rule["errors"][-1]["error"].endswith(": Connection refused")
            ),
        )
        assert able(status) == "FailedGetScale"
        async with http.get("/readyz") as ready:
            assert ready.status == 200
        await little.server.start()
        await little.until_ready("web", 6)
        await status_when(http, lambda rule: able(rule) == "ReadyForNewScale")


async def test_a_pool_and_a_deployment_are_scaled_by_one_process(kubernetes: Cluster, tmp_path: Path) -> None:
    await deployed(kubernetes)
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 30\n")) as (url,):
        kubeconfig = kubernetes.kubeconfig(await kubernetes.admin_token())
        pool_rule = rule_text(url, "shop", "ProcessPool", "tidegate.dev/v1").replace("max: 9", "max: 4")
        settings = replace(write_documents(tmp_path, rule=pool_rule), kubeconfig=kubeconfig)
        (tmp_path / "rules" / "web.yaml").write_text(rule_text(url))
        async with running_scaler(settings) as http:
            await kubernetes.until_ready("web", 3)
            await status_when(http, lambda rule: rule["ready"] == 3, "shop")


async def test_another_autoscaler_is_shown_wherever_ops_look(kubernetes: Cluster, tmp_path: Path) -> None:
    await deployed(kubernetes)
    hpas = f"/apis/autoscaling/v2/namespaces/{kubernetes.namespace}/horizontalpodautoscalers"
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"metadata": {"name": "old"}, "spec": {"scaleTargetRef": scaled, "maxReplicas": 9}}
    await kubernetes.admin.create(hpas, body)
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 50\n")) as (url,):
        kubeconfig = kubernetes.kubeconfig(await kubernetes.admin_token())
        async with running_scaler(write_rule(tmp_path, rule_text(url), kubeconfig)) as http:
            status = await status_when(http, lambda rule: able(rule) == "AmbiguousTarget")
            async with http.get("/metrics") as response:
                metrics = await response.text()
            events = await kubernetes.eventually(
                lambda: kubernetes.events("web"),
                lambda found: "AmbiguousTarget" in {event["reason"] for event in found},
            )
            _, table, _ = await tidegate("scaler", "status", "--url", str(http._base_url).rstrip("/"))
    assert "HorizontalPodAutoscaler old scales Deployment" in str(status["conditions"])
    assert (
        'tidegate_scaler_condition{condition="AbleToScale",reason="AmbiguousTarget",rule="web"} 0.0'
        in metrics
    )
    # On a busy machine the first round may have come too late for its deadline, which is an Event too.
    told = [event["message"] for event in events if event["reason"] == "AmbiguousTarget"]
    assert all(message.startswith("HorizontalPodAutoscaler old scales") for message in told)
    assert "another autoscaler" in table
    assert await kubernetes.replicas("web") == 2


async def test_a_rule_that_is_taken_away_stops_without_scaling(little: Cluster, tmp_path: Path) -> None:
    await deployed(little)
    little.server.bookmark_every_s = 0.05  # a server notices that a client has gone when it writes to it
    await little.deploy("other", 2, "StatefulSet")
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 40\n")) as (url,):
        kubeconfig = little.kubeconfig(await little.admin_token())
        settings = write_rule(tmp_path, rule_text(url), kubeconfig)
        (tmp_path / "rules" / "other.yaml").write_text(rule_text(url, "other", "StatefulSet"))
        before = little.server.watchers
        async with running_scaler(settings):
            await little.until_ready("web", 4)
            await until(lambda: little.server.watchers == before + 3)
            (tmp_path / "rules" / "rule.yaml").unlink()
            # The deployments' watch goes with the rule; the autoscalers' stays.
            await until(lambda: little.server.watchers == before + 2)
        assert await little.replicas("web") == 4


async def test_two_rules_for_one_object_are_refused(little: Cluster, tmp_path: Path) -> None:
    kubeconfig = little.kubeconfig(await little.admin_token())
    settings = write_rule(tmp_path, rule_text("http://127.0.0.1:1"), kubeconfig)
    named = rule_text("http://127.0.0.1:1").replace("kind: Deployment,", "kind: Deployment, namespace: shop,")
    (tmp_path / "rules" / "again.yaml").write_text(named.replace("{name: web}\nspec", "{name: again}\nspec"))
    with pytest.raises(AutoscalerError, match=r"Deployment shop/web belongs to rule again"):
        await run_scaler(settings)


@pytest.mark.slow
async def test_one_round_from_the_command_line(little: Cluster, tmp_path: Path) -> None:
    await deployed(little)
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 60\n")) as (url,):
        settings = write_rule(tmp_path, rule_text(url), little.kubeconfig(await little.admin_token()))
        code, _, errors = await tidegate(
            *("scaler", "run", "--once", "--rules", str(settings.rules[0]), "--store", settings.store_url),
            *("--kubeconfig", str(settings.kubeconfig), "--context", "test"),
            *("--namespace", little.namespace),
        )
    assert code == 0, errors
    assert await little.replicas("web") == 6


async def test_the_documented_rights_are_enough_and_nothing_else_is_asked(
    little: Cluster, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
    (block,) = (
        part.split("```")[0] for part in text.split("```yaml\n") if "kind: Role\n" in part.split("```")[0]
    )
    rules = YAML(typ="safe").load(block)["rules"]
    await deployed(little)
    token = await little.account("documented", rules)
    # The rule of the same page, at the pods' own pages; nobody listens there, which is a reason to write Events.
    (rule,) = (
        part.split("```")[0]
        for part in text.split("```yaml\n")
        if "kind: ScalingRule" in part.split("```")[0]
    )
    settings = write_rule(tmp_path, rule.replace("port: metrics", "port: 1"), little.kubeconfig(token))
    await run_once(settings)
    await little.scale("web", 1)
    outcome = await run_once(settings)  # below the minimum: scaled whatever the signals say
    assert [status.failures for status in outcome.statuses] == [()]
    assert await little.replicas("web") == 2
    asked = little.server.access.rights(f"system:serviceaccount:{little.namespace}:documented")
    used = {(group, f"{kind}/{sub}" if sub else kind, verb) for verb, group, kind, sub, _ in asked}
    granted = {
        (group, resource, verb)
        for entry in rules
        for group in entry["apiGroups"]
        for resource in entry["resources"]
        for verb in entry["verbs"]
    }
    assert used <= granted
    # `get` of a scale is for refused writes, `patch` of Events for what happens again.
    unused = {resource for _, resource, _ in granted} - {resource for _, resource, _ in used}
    assert unused == {"statefulsets", "statefulsets/scale", "replicasets", "replicasets/scale"}
    assert CUSTOM_GROUP not in {group for group, _, _ in used}
