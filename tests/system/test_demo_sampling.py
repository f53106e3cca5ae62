"""What the sampler takes from the scaler's status, and that one worker which stands still hides nothing from it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from autoscaler.admission import AdmissionTarget, Written
from autoscaler.instrumentation.events import AdmissionWritten
from autoscaler.status import RuleStatus, status_json
from tidegate.demo.records import TargetSample
from tidegate.demo.sampling import EVERY_S, Sampler, target_of
from tidegate.demo.stack import Stack

TARGET = AdmissionTarget("show", "demo-shop", 16.0, 160, "2 ready x 8/s", 17.0, term=1)


def status_with(admission: AdmissionWritten | None) -> dict[str, object]:
    rule = RuleStatus("demo-shop", "ProcessPool/shop", 1.0, dry_run=False, admission=admission)
    return {"rules": {"demo-shop": status_json(rule)}}


def written(*, accepted: bool) -> AdmissionWritten:
    return AdmissionWritten(TARGET, Written(accepted, 1000.4, 1000.5, 1017.5, term=1))


def test_a_target_is_told_with_the_times_of_the_store() -> None:
    assert target_of(status_with(written(accepted=True))) == TargetSample(1000.5, 1017.5, 16.0)


@pytest.mark.parametrize(
    "status",
    [None, {"rules": {}}, status_with(None), status_with(written(accepted=False))],
    ids=["no answer", "no rule", "none written", "refused"],
)
def test_where_no_target_was_taken_there_is_none(status: dict[str, object] | None) -> None:
    assert target_of(status) is None


class HalfFrozenStack:
    """Every other question gets no answer until the stack is thawed; the answers count the time on."""

    def __init__(self) -> None:
        self.asked = 0
        self.thawed = asyncio.Event()
        self.endpoints = type("Endpoints", (), {"room": "http://room", "scaler": "http://scaler"})
        self.documents = type("Documents", (), {"onsale": type("Named", (), {"name": "show"})})

    async def get_json(self, url: str) -> dict[str, Any] | None:
        if not url.startswith("http://room"):
            return None
        self.asked += 1
        as_of_s = float(self.asked)
        if self.asked % 2:
            await self.thawed.wait()
        return {
            "as_of": as_of_s,
            "rate_per_s": 16.0,
            "burst": 20,
            "released": 10 * self.asked,
            "waiting": 1,
            "rate_reason": "",
            "no_shows": 0,
            "capacity": 160,
        }


async def test_a_worker_that_stands_still_does_not_keep_the_others_from_being_seen() -> None:
    stack = HalfFrozenStack()
    sampler = Sampler(cast("Stack", stack))
    async with sampler.watching():
        while stack.asked < 6:
            await asyncio.sleep(EVERY_S)
        assert [sample.as_of_s for sample in sampler.rates[:3]] == [2.0, 4.0, 6.0]
        stack.thawed.set()
    times = [sample.as_of_s for sample in sampler.rates]
    assert times == sorted(times), "what is older than a sample is kept"


async def test_what_goes_wrong_in_a_look_is_told_in_the_end() -> None:
    class Odd(HalfFrozenStack):
        async def get_json(self, url: str) -> dict[str, Any] | None:
            self.asked += 1
            return {} if url.startswith("http://room") else None

    async def look(stack: HalfFrozenStack) -> None:
        async with Sampler(cast("Stack", stack)).watching():
            while not stack.asked:
                await asyncio.sleep(EVERY_S)

    with pytest.raises(KeyError, match="as_of"):
        await look(Odd())
