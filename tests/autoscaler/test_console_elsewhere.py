"""The console of a scaler over a cluster, and of one that stands by."""

import asyncio
from dataclasses import replace
from pathlib import Path

from redis.asyncio import Redis

from autoscaler.console.settings import ConsoleSettings
from autoscaler.settings import LeaseIn
from autoscaler.targets.kubernetes_fleet import RESTARTED_AT
from tests.autoscaler.console_stage import running_stage, signed_in, stage_settings, token_file
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.metrics_server import MetricsReplica, serve_replicas
from tests.autoscaler.test_console_acts import becomes
from tests.autoscaler.test_kubernetes_service import deployed, rule_text, status_when, write_rule

__all__ = ["kubernetes", "little", "real"]


async def test_the_pods_of_a_deployment_are_shown_printed_and_restarted(
    little: Cluster, tmp_path: Path, store_url: str, client: Redis
) -> None:
    await deployed(little)
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 20\n")) as (url,):
        settings = write_rule(tmp_path, rule_text(url), little.kubeconfig(await little.admin_token()))
        console = ConsoleSettings(tokens=token_file(tmp_path))
        settings = replace(settings, store_url=store_url, console=console)
        async with running_stage(settings) as stage, signed_in(stage) as operator:
            await status_when(stage.http, lambda rule: rule["ready"] == 2)
            pods = [pod["metadata"]["name"] for pod in await little.pods("web")]
            page = await operator.page("services/web")
            assert all(f"Log of {pod}" in page for pod in pods)
            assert little.server is not None
            little.server.answers.logs.write(pods[0], b"<hello>\nworld\n")
            log = await operator.page(f"services/web/log?pod={pods[0]}&q=HELLO")
            assert "&lt;hello&gt;" in log
            assert "world" not in log
            stream = await operator.http.get(f"{stage.console}services/web/log/stream?pod={pods[0]}")
            async with asyncio.timeout(60):
                assert await stream.content.readline() == b"event: lines\n"
                assert await stream.content.readline() == b'data: ["<hello>", "world"]\n'
            stream.close()
            await operator.act("services/web/restart", confirmed="yes")
            template = (await little.get("web"))["spec"]["template"]
            assert RESTARTED_AT in template["metadata"]["annotations"]
            await little.server.stop()
            await becomes(lambda: operator.page("services/web"), lambda page: "Connection refused" in page)
            refused = await operator.act("services/web/restart", confirmed="yes")
            assert "Not done: API server " in refused
            assert "Connection refused" in refused
            await little.server.start()


async def test_container_and_instance_of_a_log_are_chosen_on_its_page(
    little: Cluster, tmp_path: Path, store_url: str, client: Redis
) -> None:
    await little.deploy("web", 2, beside=["proxy"])
    await little.until_ready("web", 2)
    async with serve_replicas(MetricsReplica("# TYPE busy gauge\nbusy 20\n")) as (url,):
        settings = write_rule(tmp_path, rule_text(url), little.kubeconfig(await little.admin_token()))
        console = ConsoleSettings(tokens=token_file(tmp_path))
        settings = replace(settings, store_url=store_url, console=console)
        async with running_stage(settings) as stage, signed_in(stage) as operator:
            await status_when(stage.http, lambda rule: rule["ready"] == 2)
            pod = (await little.pods("web"))[0]
            name, logs = pod["metadata"]["name"], little.server.answers.logs
            log = f"services/web/log?pod={name}"
            page = await operator.page(log)
            assert '<option value="proxy">proxy</option>' in page
            assert "Instance" not in page
            logs.write(name, b"<b>crashed</b>\n", container="proxy")
            logs.restart(name, "proxy")
            statuses = [
                {**each, "restartCount": int(each["name"] == "proxy")}
                for each in pod["status"]["containerStatuses"]
            ]
            path = f"/api/v1/namespaces/{little.namespace}/pods/{name}/status"
            await little.admin.merge(path, {"status": {"containerStatuses": statuses}})
            link = f"/console/{log}&amp;container=proxy&amp;previous=yes"
            await becomes(lambda: operator.page("services/web"), lambda page: link in page)
            former = await operator.page(f"{log}&container=proxy&previous=yes")
            assert "&lt;b&gt;crashed&lt;/b&gt;" in former
            assert "What the instance before the last restart has printed" in former
            stream = f"{stage.console}services/web/log/stream?pod={name}&container=proxy&previous=yes"
            async with asyncio.timeout(60), operator.http.get(stream) as answer:
                told = await answer.text()
            assert 'data: ["<b>crashed</b>"]' in told
            assert "This is all that the instance before has printed." in told
            # A container of another pod's is not this one's: its main one is shown.
            assert "Log of" in await operator.page(f"{log}&container=nginx")


async def test_the_console_of_one_that_stands_by_says_who_leads_and_sends_there(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (
        replace(stage_settings(tmp_path / name, store_url), leader=LeaseIn.STORE) for name in ("one", "two")
    )
    async with running_stage(one) as leader:
        async with asyncio.timeout(60):
            while "web" not in (await (await leader.http.get("/status")).json())["rules"]:
                await asyncio.sleep(0.05)
        async with running_stage(two) as other, signed_in(other) as operator:
            async with asyncio.timeout(60):
                while "Standing by; nobody leads" in (page := await operator.page()):
                    await asyncio.sleep(0.05)
            assert "Standing by; " in page
            form = {"form_key": await operator.key(), "mode": "paused"}
            async with await operator.post("services/web/mode", **form) as answer:
                assert answer.status == 404
                refused = await answer.text()
            assert " leads: it runs the services, and shows them." in refused
            link = f'href="{leader.console}"'
            async with asyncio.timeout(60):
                while link not in (page := await operator.page()):
                    await asyncio.sleep(0.05)
            assert "open its console" in page
            async with operator.http.get(f"{other.console}services/web") as answer:
                assert answer.status == 404
                assert link in await answer.text()
            async with operator.http.get(leader.console, allow_redirects=False) as answer:
                assert answer.status == 303
