"""A schedule's onsale is read from the room even where no signal reads it."""

from redis.asyncio import Redis

from autoscaler.signals import SignalReader
from autoscaler.sources.room import RoomSource
from autoscaler.store.figures import FigureReader
from rulebook import ScalingRule
from rulebook.coupling import US_PER_S
from rulebook.observation import Value
from rulebook.signals import ExpositionQuery
from tests.autoscaler.fakes import FakeSource, ManualClock
from tests.autoscaler.test_room import publish, store_now_us

RULE = ScalingRule.model_validate(
    {
        "apiVersion": "tidegate.dev/v1",
        "kind": "ScalingRule",
        "metadata": {"name": "web"},
        "spec": {
            "target": {"apiVersion": "tidegate.dev/v1", "kind": "ProcessPool", "name": "shop"},
            "replicas": {"min": 1, "max": 9},
            "signals": [{"name": "busy", "exposition": {"gauge": "busy"}, "perReplica": 5}],
            "schedule": [{"onsale": "cactus", "lead": "10m", "min": 4}],
        },
    }
)


async def test_the_times_of_a_scheduled_onsale_are_read(client: Redis, clock: ManualClock) -> None:
    busy: FakeSource[ExpositionQuery] = FakeSource(Value(1.0, 0.0))
    reader = SignalReader(RULE, exposition=busy, room=RoomSource(FigureReader(client), clock))
    assert await reader.read_onsales(5.0) == {}
    now_us = await store_now_us(client)
    await publish(client, now_us, opens_us=now_us + 600 * US_PER_S)
    times = (await reader.read_onsales(5.0))["cactus"]
    assert (times.backlog, times.sessions) == (123, 250)
    assert times.opens_at_s is not None
