"""What happens to a target is said on the target, as Events; and no loop waits for that, whatever becomes of them."""

import pytest

from autoscaler.instrumentation import kubernetes_events
from autoscaler.instrumentation.events import Event, EventNotWritten, RuleDecided, RuleScaled, StepFailed
from autoscaler.instrumentation.remarks import remarks_on
from autoscaler.loop import RuleLoop
from autoscaler.sources.base import Answer
from rulebook.observation import Missing
from rulebook.rule import ScalingRule
from tests.autoscaler.clusters import Bench, open_bench, open_events, rule_for
from tests.autoscaler.fakes import FakeTarget, ManualClock, Recorder, make_loop, make_rule, until
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.test_kubectl import kubectl

__all__ = ["kubernetes", "little", "real"]

SCALE_ONLY = (
    {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "update"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list", "watch"]},
)


async def deployed(cluster: Cluster, replicas: int = 2) -> None:
    await cluster.deploy("web", replicas)
    await cluster.until_ready("web", replicas)


def loop_of(bench: Bench, rule: ScalingRule, instrument: object) -> RuleLoop:
    return make_loop(
        rule,
        target=bench.target,
        clock=bench.clock,
        recorder=instrument,  # type: ignore[arg-type]
        exposition=bench.source,
    )


async def events_with(cluster: Cluster, reason: str) -> list[dict[str, object]]:
    return [event for event in await cluster.events("web") if event["reason"] == reason]


async def test_a_rescale_is_said_on_the_target(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    rule = rule_for(kubernetes, "web")
    async with open_bench(kubernetes, "web") as bench, open_events(bench, rule) as instrument:
        bench.load(50)
        await loop_of(bench, rule, instrument).evaluate()
        (event,) = await kubernetes.eventually(
            lambda: events_with(kubernetes, "SuccessfulRescale"), lambda found: len(found) == 1
        )
    workload = await kubernetes.get("web")
    assert event["type"] == "Normal"
    assert str(event["message"]).startswith("New size: 5; reason: 2 -> 5 (")
    assert event["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": kubernetes.namespace,
        "name": "web",
        "uid": workload["metadata"]["uid"],
    }
    assert (event["count"], event["reportingComponent"]) == (1, "tidegate-scaler")


async def test_kubectl_describe_shows_what_happened_to_the_target(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    rule = rule_for(kubernetes, "web")
    async with open_bench(kubernetes, "web") as bench, open_events(bench, rule) as instrument:
        bench.load(50)
        await loop_of(bench, rule, instrument).evaluate()
        await kubernetes.eventually(
            lambda: events_with(kubernetes, "SuccessfulRescale"), lambda found: len(found) == 1
        )
    code, output = await kubectl(kubernetes, "describe", "deployment", "web")
    assert code == 0, output
    (line,) = (line for line in output.splitlines() if "SuccessfulRescale" in line)
    assert line.split()[:2] == ["Normal", "SuccessfulRescale"]
    assert "tidegate-scaler" in line
    assert "New size: 5; reason: 2 -> 5 (" in line


async def test_what_fails_each_round_is_one_event_that_counts(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    rule = rule_for(kubernetes, "web")
    async with open_bench(kubernetes, "web") as bench, open_events(bench, rule) as instrument:
        bench.source.reading = Missing("no metrics")
        loop = loop_of(bench, rule, instrument)
        for _ in range(5):
            await bench.evaluate(loop)
        (event,) = await kubernetes.eventually(
            lambda: events_with(kubernetes, "FailedGetPodsMetric"),
            lambda found: len(found) == 1 and found[0]["count"] == 5,
        )
    assert (event["type"], event["message"]) == ("Warning", "busy: no metrics")


async def test_what_is_still_to_be_said_at_the_end_is_said(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    rule = rule_for(kubernetes, "web")
    async with open_bench(kubernetes, "web") as bench, open_events(bench, rule) as instrument:
        bench.load(50)
        await loop_of(bench, rule, instrument).evaluate()
    assert len(await events_with(kubernetes, "SuccessfulRescale")) == 1


async def test_a_dry_run_says_nothing_on_the_target(little: Cluster) -> None:
    await deployed(little)
    rule = rule_for(little, "web", dry_run=True)
    async with open_bench(little, "web") as bench, open_events(bench, rule) as instrument:
        bench.source.reading = Missing("no metrics")
        await loop_of(bench, rule, instrument).evaluate()
    assert await little.events("web") == []
    asked = little.server.access.rights(f"system:serviceaccount:{little.namespace}:admin")
    assert "events" not in {right[2] for right in asked}


async def test_an_account_that_may_not_write_events_scales_all_the_same(kubernetes: Cluster) -> None:
    await deployed(kubernetes)
    token = await kubernetes.account("scaler", SCALE_ONLY)
    rule = rule_for(kubernetes, "web")
    async with (
        open_bench(kubernetes, "web", token=token) as bench,
        open_events(bench, rule) as instrument,
    ):
        bench.load(50)
        loop = loop_of(bench, rule, instrument)
        await bench.evaluate(loop)
        assert (await kubernetes.replicas("web"), loop.status.failures) == (5, ())
        await until(lambda: bool(bench.recorder.of(EventNotWritten)))
    (dropped,) = bench.recorder.of(EventNotWritten)
    assert dropped.reason == "SuccessfulRescale"
    assert 'cannot create resource "events"' in dropped.error


async def test_no_round_waits_for_events_which_nobody_takes(little: Cluster) -> None:
    await deployed(little)
    rule = rule_for(little, "web")
    async with open_bench(little, "web") as bench, open_events(bench, rule) as instrument:
        stuck = little.server.faults.order(Fault(Kind.SLOW, times=None, resource="events", seconds=600))
        loop = loop_of(bench, rule, instrument)
        for load in (50, 30, 60):
            bench.load(load)
            await bench.evaluate(loop)
        assert await little.replicas("web") == 6
        assert loop.status.failures == ()
        await until(lambda: stuck.met > 0)


async def test_an_event_that_is_gone_from_the_server_is_made_anew(little: Cluster) -> None:
    await deployed(little)
    rule = rule_for(little, "web")
    async with open_bench(little, "web") as bench, open_events(bench, rule) as instrument:
        bench.source.reading = Missing("no metrics")
        loop = loop_of(bench, rule, instrument)
        await bench.evaluate(loop)
        (event,) = await little.eventually(lambda: little.events("web"), lambda found: len(found) == 1)
        path = f"/api/v1/namespaces/{little.namespace}/events"
        await little.admin.delete(f"{path}/{event['metadata']['name']}")
        await bench.evaluate(loop)
        (event,) = await little.eventually(lambda: little.events("web"), lambda found: len(found) == 1)
        assert event["count"] == 2


def said(event: Event, **spec: object) -> list[tuple[str, str, str]]:
    return list(remarks_on(event, make_rule(**spec)))


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("read target", "FailedGetScale"),
        ("scale", "FailedRescale"),
        ("decide", "FailedComputeMetricsReplicas"),
        ("write admission", "FailedWriteAdmission"),
    ],
)
def test_a_step_that_failed_has_the_reason_of_the_hpa(step: str, reason: str) -> None:
    assert said(StepFailed("web", step, "why", 0.0)) == [("Warning", reason, "why")]


async def test_a_missing_signal_is_told_unless_the_rule_expects_it(
    clock: ManualClock, recorder: Recorder
) -> None:
    loop = make_loop(make_rule(), target=FakeTarget(), clock=clock, recorder=recorder)
    await loop.evaluate()
    (decided,) = recorder.of(RuleDecided)
    missing = RuleDecided("web", decided.decision, {"busy": Answer(Missing("gone"))}, 0.0)
    query = {"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 10.0}
    assert said(missing) == [("Warning", "FailedGetPodsMetric", "busy: gone")]
    elsewhere = {**query, "exposition": {"gauge": "busy", "urls": ["http://127.0.0.1:9100"]}}
    assert said(missing, signals=[elsewhere]) == [("Warning", "FailedGetExternalMetric", "busy: gone")]
    for mode in ("ignore", "zero"):
        assert said(missing, signals=[{**query, "onMissing": mode}]) == []


def test_a_rescale_tells_size_and_reason() -> None:
    scaled = RuleScaled("web", "Deployment shop/web", 2, 5, "requests asks for 5")
    assert said(scaled) == [("Normal", "SuccessfulRescale", "New size: 5; reason: requests asks for 5")]


async def test_an_event_that_cannot_be_written_now_is_written_later(
    little: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_events, "RETRY_S", 0.05)
    await deployed(little)
    rule = rule_for(little, "web")
    async with open_bench(little, "web") as bench, open_events(bench, rule) as instrument:
        broken = little.server.faults.order(Fault(Kind.ERROR, times=3, resource="events", code=500))
        bench.load(50)
        await loop_of(bench, rule, instrument).evaluate()
        await little.eventually(lambda: little.events("web"), lambda found: len(found) == 1)
    assert broken.met == 3
    assert bench.recorder.of(EventNotWritten) == []
