"""Admission targets in a real store: terms, extension in place, and times by the store's clock."""

import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from autoscaler.admission import AdmissionTarget
from autoscaler.errors import StoreUnavailable
from autoscaler.store.connection import open_client
from autoscaler.store.target_writer import TargetWriter
from rulebook import Outlook, read_outlook
from rulebook.coupling import US_PER_S, targets_key
from tests.segments import TargetSegment

KEY = targets_key("cactus")


def target(
    *,
    rule: str = "web",
    rate_per_s: float = 20.0,
    capacity: int | None = 600,
    reason: str = "4 ready",
    term: int = 1,
) -> AdmissionTarget:
    return AdmissionTarget("cactus", rule, rate_per_s, capacity, reason, validity_s=45.0, term=term)


async def segments(client: Redis) -> list[TargetSegment]:
    return [TargetSegment.from_json(entry) for entry in await client.lrange(KEY, 0, -1)]


async def test_a_target_is_in_force_from_the_stores_now_for_its_validity(client: Redis) -> None:
    before_s, _ = await client.time()
    written = await TargetWriter(client).write(target())
    assert written.accepted
    assert written.store_now_s == written.from_s >= before_s
    assert written.until_s - written.from_s == pytest.approx(45)
    from_us, until_us = round(written.from_s * US_PER_S), round(written.until_s * US_PER_S)
    assert await segments(client) == [TargetSegment("web", from_us, until_us, 20.0, 600, "4 ready", 1)]


async def test_an_equal_target_extends_the_one_in_force_in_place(client: Redis) -> None:
    writer = TargetWriter(client)
    first = await writer.write(target())
    await writer.write(target(rule="mobile"))
    again = await writer.write(target(reason="still 4 ready"))
    assert (again.from_s, again.until_s > first.until_s) == (first.from_s, True)
    extended, other = await segments(client)
    assert (extended.rule, extended.reason, other.rule) == ("web", "still 4 ready", "mobile")
    assert extended.until_us == round(again.until_s * US_PER_S)


@pytest.mark.parametrize(
    "other",
    [target(rate_per_s=20.5), target(capacity=None), target(capacity=601)],
    ids=["rate", "no bound", "bound"],
)
async def test_a_different_target_begins_a_segment_of_its_own(client: Redis, other: AdmissionTarget) -> None:
    writer = TargetWriter(client)
    await writer.write(target())
    await writer.write(other)
    assert [(segment.rate_per_s, segment.capacity) for segment in await segments(client)] == [
        (20.0, 600),
        (other.rate_per_s, other.capacity),
    ]


async def test_an_equal_target_after_the_end_of_the_last_begins_anew(client: Redis) -> None:
    writer = TargetWriter(client)
    seconds, _ = await client.time()
    past = TargetSegment("web", (seconds - 90) * US_PER_S, (seconds - 45) * US_PER_S, 20.0, 600, "4 ready", 1)
    await client.rpush(KEY, past.to_json())
    await writer.write(target())
    assert len(await segments(client)) == 2


async def test_a_segment_of_the_future_is_not_extended(client: Redis) -> None:
    seconds, _ = await client.time()
    future = TargetSegment(
        "web", (seconds + 60) * US_PER_S, (seconds + 99) * US_PER_S, 20.0, 600, "4 ready", 1
    )
    await client.rpush(KEY, future.to_json())
    await TargetWriter(client).write(target())
    assert len(await segments(client)) == 2


async def test_a_writer_of_a_lower_term_is_refused(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=7, rate_per_s=5.0))
    refused = await writer.write(target(term=6, rate_per_s=500.0))
    assert (refused.accepted, refused.term) == (False, 7)
    assert [segment.rate_per_s for segment in await segments(client)] == [5.0]


async def test_a_successor_who_writes_the_same_shuts_the_predecessor_out(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=1))
    await writer.write(target(term=2))
    assert [segment.term for segment in await segments(client)] == [2]
    assert not (await writer.write(target(term=1))).accepted


async def test_terms_of_one_rule_do_not_concern_another(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(term=9))
    assert (await writer.write(target(rule="mobile", term=1))).accepted


async def test_rates_and_reasons_survive_the_way_through_lua(client: Redis) -> None:
    odd = target(rate_per_s=0.1 + 0.2, reason='p95 "latency" 0.9 s > 0.5 s \\ é €')
    await TargetWriter(client).write(odd)
    (segment,) = await segments(client)
    assert (segment.rate_per_s, segment.reason) == (odd.rate_per_s, odd.reason)


async def test_foreign_entries_in_the_list_are_left_alone(client: Redis) -> None:
    await client.rpush(KEY, "not json", json.dumps(["web"]))
    assert (await TargetWriter(client).write(target())).accepted
    assert (await client.lrange(KEY, 0, 1)) == ["not json", '["web"]']


async def test_the_list_stays_bounded_while_no_room_trims_it(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target(rule="mobile"))
    old = TargetSegment("web", 1, 2, 1.0, None, "", 0).to_json()
    await client.rpush(KEY, *[old] * 1000)
    await writer.write(target())
    kept = await segments(client)
    assert (len(kept), kept[0].rule) == (1001, "mobile")


async def test_scripts_survive_a_store_that_forgot_them(client: Redis) -> None:
    writer = TargetWriter(client)
    await writer.write(target())
    await client.script_flush()
    assert (await writer.write(target())).accepted


async def test_a_store_that_is_down_is_said_in_one_line() -> None:
    client = open_client("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match=r"^store: [^\n]+$"):
        await TargetWriter(client).write(target())
    await client.aclose()


async def test_what_is_expected_of_the_rate_is_written_anew_with_an_equal_target(client: Redis) -> None:
    writer = TargetWriter(client)
    ordered, nearer = (Outlook(100.0, 40.0, 20.0, by_s, 20.0, 65.0) for by_s in (60.0, 45.0))
    await writer.write(replace(target(), outlook=ordered))
    written = await writer.write(replace(target(), outlook=nearer))
    (entry,) = await client.lrange(KEY, 0, -1)
    fields = json.loads(entry)
    assert read_outlook(fields["outlook"]) == nearer
    assert int(fields["outlook_us"]) == round(written.store_now_s * US_PER_S)
    await writer.write(target())
    (entry,) = await client.lrange(KEY, 0, -1)
    assert read_outlook(json.loads(entry)["outlook"]) is None
