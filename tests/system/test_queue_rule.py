"""The rule that scales the shipped room reads what a room really shows, and finds its pods where the manifests have them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from autoscaler.kubernetes.pods import endpoints_of, read_pod, read_workload
from autoscaler.signals import SignalReader
from autoscaler.sources.base import Answer
from autoscaler.sources.exposition import ExpositionSource
from autoscaler.sources.room import RoomSource
from autoscaler.store.connection import open_client
from autoscaler.store.figures import FigureReader
from autoscaler.targets.clustered import pods_wanted, reference_of
from rulebook import load_text
from rulebook.decision import Decision, decide
from rulebook.memory import Memory
from rulebook.observation import Observation, Value
from rulebook.rule import ScalingRule
from tests.autoscaler.fakes import ManualClock
from tests.stores import own_valkey
from tests.system.manifests import FOLDER, OVERLAYS, built, of_kind
from tests.system.test_manifest_shape import ways
from tests.waitingroom.living import Living, living
from tests.waitingroom.samples import onsale
from waitingroom.web.routetable import ROUTES

HOME, QUEUE, SCALER = "tidegate", "tidegate-queue", "tidegate-scaler"
INTERVAL_S = 0.01
"""What the clock of the scaler moves between its two readings, so that a few requests are a rush."""
ASKED = 30
LISTENING = 3
IP = "10.1.2.3"


RULE = (FOLDER / "base" / "rules" / "queue.yaml").read_text()


def shipped_rule() -> ScalingRule:
    return load_text(RULE, "queue.yaml").rules["queue"]


class Watch:
    """The scaler's view of one room: its signals by the rule's own sources, and what is decided by them."""

    def __init__(self, rule: ScalingRule, room: Living, http: aiohttp.ClientSession, store: Any) -> None:
        self.rule, self._room, self.clock = rule, room, ManualClock()
        self._reader = SignalReader(
            rule,
            exposition=ExpositionSource(http, self.clock),
            room=RoomSource(FigureReader(store), self.clock),
        )

    async def read(self) -> Mapping[str, Answer]:
        return await self._reader.read((self._room.room,), 5.0)

    async def decide(self, answers: Mapping[str, Answer]) -> Decision:
        observation = Observation(
            current=2,
            ready=2,
            readings={name: answer.reading for name, answer in answers.items()},
            onsales=await self._reader.read_onsales(5.0),
        )
        assert set(observation.onsales) == {"cactus"}, "the schedule knows when the doors open"
        return decide(self.rule, observation, Memory(), self.clock.now_s())


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_the_rule_reads_a_real_rooms_page_and_scales_by_each_of_its_signals(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    rule = shipped_rule()
    async with AsyncExitStack() as stack:
        url = stack.enter_context(own_valkey()).url
        store = open_client(url)
        stack.push_async_callback(store.aclose)
        document = onsale(opens_in_s=3600.0)
        room = await stack.enter_async_context(living(tmp_path, url, document, gate=None))
        watch = Watch(rule, room, http, store)
        await watch.read()
        for _ in range(ASKED):
            async with http.get(f"{room.room}/cactus/status") as answer:
                await answer.read()
            proxy = {"X-Original-URL": "https://shop.example.org/seats", "X-Original-Method": "GET"}
            async with http.get(f"{room.room}/gate/auth", headers=proxy) as answer:
                await answer.read()
        for _ in range(LISTENING):
            stream = await stack.enter_async_context(http.get(f"{room.room}/cactus/events"))
            await stream.content.readany()
        watch.clock.advance(INTERVAL_S)
        answers = await watch.read()
        decision = await watch.decide(answers)
    readings = {name: answer.reading for name, answer in answers.items()}
    values = {name: reading.value for name, reading in readings.items() if isinstance(reading, Value)}
    assert set(values) == {signal.name for signal in rule.spec.signals}, readings
    # A stream is a question as well.
    assert values["questions"] == pytest.approx((ASKED + LISTENING) / INTERVAL_S)
    assert values["checks"] == pytest.approx(ASKED / INTERVAL_S)
    assert values["listeners"] == LISTENING
    asked_for = {one.signal: one.replicas for one in decision.recommendations}
    assert asked_for == {"questions": 4, "checks": 2, "listeners": 1}
    assert decision.desired == 4


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_rule_finds_the_pods_of_the_room_at_the_port_which_it_listens_on(overlay: str) -> None:
    rule, objects = shipped_rule(), built(overlay)
    assert of_kind(objects, "ConfigMap")[HOME, "tidegate-rules"]["data"]["queue.yaml"] == RULE
    reference, wanted = reference_of(rule, "elsewhere"), pods_wanted(rule)
    assert (reference.api_version, reference.kind) == ("apps/v1", "Deployment")
    deployment = of_kind(objects, reference.kind)[reference.namespace, reference.name]
    template = deployment["spec"]["template"]
    selected = read_workload(deployment).selector.split(",")
    assert set(selected) <= {f"{name}={value}" for name, value in template["metadata"]["labels"].items()}
    status = {"podIP": IP, "conditions": [{"type": "Ready", "status": "True"}]}
    pod = read_pod({"metadata": {"name": "pod"}, "spec": template["spec"], "status": status})
    assert wanted is not None
    (container,) = template["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    (_, _, port) = environment["TIDEGATE_LISTEN"].rpartition(":")
    assert endpoints_of([pod], wanted.port) == (f"http://{IP}:{port}",)
    for query in (signal.exposition for signal in rule.spec.signals):
        assert query is not None
        assert query.port == wanted.port
        assert ("GET", query.path) in {(route.method, route.path) for route in ROUTES}
    opened = set(ways(of_kind(objects, "NetworkPolicy")))
    assert {(SCALER, "to", f"pods {QUEUE}", port), (QUEUE, "from", f"pods {SCALER}", "http")} <= opened
