"""The release script on a real store: bucket, capacity, no-shows, late buyers, targets."""

import json

import pytest
from redis.asyncio import Redis

from rulebook import Outlook
from rulebook.coupling import RoomFigures, figures_key, targets_key
from tests.segments import TargetSegment
from tests.waitingroom.samples import device, settings
from waitingroom.errors import JoinRefused
from waitingroom.store.client import ClaimOutcome, OnsaleStore

MINUTE_US = 60_000_000


async def fill(store: OnsaleStore, buyers: int) -> None:
    for start in range(0, buyers, 100):
        await store.join([device(number) for number in range(start, min(start + 100, buyers))])


async def shift_time(client: Redis, seconds: float, name: str = "cactus") -> None:
    """Let `seconds` pass for the bucket and the batches by moving what they remember into the past."""
    key = f"{{{name}}}:room"
    refilled = int(float(await client.hget(key, "refilled_us")))
    await client.hset(key, "refilled_us", str(int(refilled - seconds * 1e6)))
    batches = await client.lrange(f"{{{name}}}:batches", 0, -1)
    for index, batch in enumerate(batches):
        epoch, first, last, at, kind = batch.split(":")
        await client.lset(
            f"{{{name}}}:batches", index, f"{epoch}:{first}:{last}:{int(int(at) - seconds * 1e6)}:{kind}"
        )


async def store_now_us(client: Redis) -> int:
    seconds, microseconds = await client.time()
    return seconds * 1_000_000 + microseconds


async def test_numbers_are_given_in_order_and_a_device_gets_its_own_again(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    first = await store.join([device(1), device(2), device(3)])
    assert [place.number for place in first] == [1, 2, 3]
    again = await store.join([device(3), device(4), device(4), device(1)])
    assert [place.number for place in again] == [3, 4, 4, 1]


async def test_a_full_bucket_releases_the_burst_and_then_by_rate(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="3.0"))
    await store.configure()
    await fill(store, 100)
    await shift_time(client, 3600)
    snapshot = await store.advance()
    assert snapshot.released == 5
    await shift_time(client, 1.0)
    later = await store.advance()
    assert 8 <= later.released <= 9 + 3 * (later.at_s - snapshot.at_s)


async def test_a_new_room_starts_with_an_empty_bucket(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="0.1"))
    await store.configure()
    await fill(store, 10)
    assert (await store.advance()).released == 0


async def test_nobody_is_released_before_the_opening_nor_after_the_closing(client: Redis) -> None:
    now = await store_now_us(client)
    store = OnsaleStore(
        client, "cactus", settings(prequeue_us=str(now - MINUTE_US), opens_us=str(now + MINUTE_US))
    )
    await store.configure()
    await fill(store, 10)
    await shift_time(client, 60)
    assert (await store.advance()).released == 0
    await store.configure(settings(closes_us=str(now)))
    assert (await store.advance()).released == 0
    with pytest.raises(JoinRefused, match="closed"):
        await store.join([device(99)])


async def test_a_join_before_the_prequeue_is_refused_and_takes_no_number(client: Redis) -> None:
    now = await store_now_us(client)
    store = OnsaleStore(
        client, "cactus", settings(prequeue_us=str(now + MINUTE_US), opens_us=str(now + 2 * MINUTE_US))
    )
    with pytest.raises(JoinRefused, match="not yet"):
        await store.join([device(1)])
    assert (await store.advance()).tail == 0


async def test_sessions_and_released_places_together_stay_within_capacity(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(capacity="3"))
    await store.configure()
    await fill(store, 10)
    await shift_time(client, 10)
    snapshot = await store.advance()
    assert snapshot.released == 3
    claim = await store.claim(snapshot.epoch, 1, "session-1", 60, 300)
    assert claim.outcome is ClaimOutcome.ADMITTED
    await shift_time(client, 10)
    assert (await store.advance()).released == 3
    assert await store.end(["session-1"]) == {"session-1": True}
    assert (await store.advance()).released == 4


async def test_a_place_is_claimed_exactly_once(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    await store.configure()
    await fill(store, 10)
    await shift_time(client, 10)
    epoch = (await store.advance()).epoch
    assert (await store.claim(epoch, 2, "s2", 60, 300)).outcome is ClaimOutcome.ADMITTED
    assert (await store.claim(epoch, 2, "s2", 60, 300)).outcome is ClaimOutcome.AGAIN
    await store.end(["s2"])
    assert (await store.claim(epoch, 2, "s2", 60, 300)).outcome is ClaimOutcome.ENDED
    assert (await store.claim(epoch, 9_999, "s9", 60, 300)).outcome is ClaimOutcome.WAITING
    assert (await store.advance()).claimed == 1


async def test_no_shows_give_their_tokens_back_and_keep_their_place(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="0.001", capacity="5"))
    await store.configure()
    await fill(store, 20)
    await shift_time(client, 100_000)
    epoch = (await store.advance()).epoch
    await store.claim(epoch, 1, "s1", 600, 600)
    await shift_time(client, 31)
    snapshot = await store.advance()
    assert snapshot.no_shows == 4
    assert snapshot.released == 9
    assert snapshot.lines[0].settled == 5
    # All tokens are out again: the late buyer waits for the next one, before everybody else.
    assert (await store.claim(epoch, 3, "s3", 600, 600)).outcome is ClaimOutcome.LATE
    assert (await store.claim(epoch, 3, "s3", 600, 600)).outcome is ClaimOutcome.LATE
    await store.claim(epoch, 6, "s6", 600, 600)
    await store.end(["s1", "s6"])
    await shift_time(client, 1_100)
    snapshot = await store.advance()
    assert (snapshot.late, snapshot.no_shows) == (0, 7)
    assert (await store.claim(epoch, 3, "s3", 600, 600)).outcome is ClaimOutcome.ADMITTED
    assert (await store.claim(epoch, 3, "s3", 600, 600)).outcome is ClaimOutcome.AGAIN


async def test_a_target_counts_from_its_beginning_to_its_end_and_then_the_fallback(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0", burst="1000"))
    await store.configure()
    now = await store_now_us(client)
    segment = TargetSegment("web", now - 8_000_000, now - 3_000_000, 20.0, None, "4 ready x 5/s", 0)
    await client.rpush(targets_key("cactus"), segment.to_json())
    await client.hset("{cactus}:room", mapping={"tokens": "0", "refilled_us": str(now - 10_000_000)})
    snapshot = await store.advance()
    # 2 s at the ceiling of 50/s, 5 s at 20/s, 3 s and what it took since at the fallback of 2/s.
    since_s = snapshot.at_s - now / 1e6
    assert snapshot.tokens == pytest.approx(100 + 100 + 2 * (3 + since_s), abs=0.01)
    assert snapshot.rate_per_s == 2.0
    assert "fallback" in snapshot.rate_reason


async def test_the_lowest_of_several_rules_wins_and_is_named(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0"))
    await store.configure()
    now = await store_now_us(client)
    for rule, rate in (("web", 20.0), ("database", 7.0)):
        segment = TargetSegment(rule, now, now + MINUTE_US, rate, 100, f"{rule} says so", 0)
        await client.rpush(targets_key("cactus"), segment.to_json())
    snapshot = await store.advance()
    assert snapshot.rate_per_s == 7.0
    assert snapshot.rate_reason == "database: database says so"
    assert snapshot.capacity == 100


async def test_a_rule_that_is_gone_keeps_the_room_at_its_fallback_for_a_minute(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0", fallback="2.0"))
    await store.configure()
    now = await store_now_us(client)

    async def rate_with(silent_for_us: int) -> float:
        await client.delete(targets_key("cactus"))
        for rule, ends_us, rate in (
            ("web", now - silent_for_us, 20.0),
            ("web-renamed", now + MINUTE_US, 40.0),
        ):
            segment = TargetSegment(rule, now - 2 * MINUTE_US, ends_us, rate, None, "8 ready x 5/s", 0)
            await client.rpush(targets_key("cactus"), segment.to_json())
        return (await store.advance()).rate_per_s

    assert await rate_with(MINUTE_US // 2) == 2.0
    assert await rate_with(MINUTE_US) == 40.0


@pytest.mark.parametrize(
    ("others", "rate"), [((), 50.0), (("database",), 7.0)], ids=["it was the only one", "another one speaks"]
)
async def test_a_rule_that_was_withdrawn_counts_until_then_and_no_longer(
    client: Redis, others: tuple[str, ...], rate: float
) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0", burst="1000", fallback="2.0"))
    await store.configure()
    now = await store_now_us(client)
    began, gone = now - 10_000_000, now - 6_000_000
    segments = [TargetSegment(rule, began, now + MINUTE_US, 7.0, None, "", 0) for rule in others]
    segments.append(TargetSegment("web", began, now + MINUTE_US, 5.0, 3, "1 ready x 5/s", 0))
    segments.append(TargetSegment("web", gone, gone, 0.0, None, "", 0, withdrawn=True))
    await client.rpush(targets_key("cactus"), *(segment.to_json() for segment in segments))
    await client.hset("{cactus}:room", mapping={"tokens": "0", "refilled_us": str(began)})
    snapshot = await store.advance()
    # 4 s at the 5/s of the rule, 6 s and what it took since at what counts without it.
    since_s = snapshot.at_s - now / 1e6
    assert snapshot.tokens == pytest.approx(4 * 5 + (6 + since_s) * rate, abs=0.01)
    assert (snapshot.rate_per_s, snapshot.capacity) == (rate, None)
    left = [json.loads(entry)["rule"] for entry in await client.lrange(targets_key("cactus"), 0, -1)]
    assert left == list(others)


async def test_a_silent_scaler_is_never_taken_for_a_rule_that_is_gone(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0", fallback="2.0"))
    await store.configure()
    now = await store_now_us(client)
    for rule in ("web", "database"):
        segment = TargetSegment(rule, now - 9 * MINUTE_US, now - 8 * MINUTE_US, 20.0, None, "so it says", 0)
        await client.rpush(targets_key("cactus"), segment.to_json())
    assert (await store.advance()).rate_per_s == 2.0


@pytest.mark.parametrize("back_s", [1.0, 600.0])
async def test_figures_and_releases_go_on_when_the_clock_has_gone_back(client: Redis, back_s: float) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0"))
    await store.configure()
    await fill(store, 20)
    ahead = await store_now_us(client) + int(back_s * 1e6)
    # What a store remembers whose clock was ahead.
    await client.hset(
        "{cactus}:room",
        mapping={"published_us": ahead, "refilled_us": ahead, "entered_us": ahead, "tokens": "5"},
    )
    await client.rpush("{cactus}:samples", f"{ahead}:10:0:0")
    await client.hset("{cactus}:figures", "at_us", ahead)
    await store.advance()
    await client.hincrby("{cactus}:room", "published_us", -500_000)
    await store.advance()
    figures = RoomFigures.from_hash(await client.hgetall(figures_key("cactus")))
    assert figures is not None
    assert figures.at_s * 1e6 <= await store_now_us(client)
    assert figures.arrivals_per_s >= 0.0
    assert (await store.advance()).released >= 5


async def test_what_later_segments_replaced_is_trimmed(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    await store.configure()
    now = await store_now_us(client)
    for step in range(10):
        segment = TargetSegment("web", now - 10_000 + step, now + MINUTE_US, float(step), None, "", 0)
        await client.rpush(targets_key("cactus"), segment.to_json())
    snapshot = await store.advance()
    assert snapshot.rate_per_s == 9.0
    left = [json.loads(entry)["rate"] for entry in await client.lrange(targets_key("cactus"), 0, -1)]
    assert left == ["9.0"]


async def test_a_hold_releases_nobody_and_says_why(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    await store.configure()
    await fill(store, 50)
    await store.configure(settings(hold="the payment provider is down"))
    await shift_time(client, 60)
    snapshot = await store.advance()
    assert snapshot.released == 0
    assert snapshot.hold == "the payment provider is down"
    await store.configure(settings(hold=""))
    await shift_time(client, 1)
    assert (await store.advance()).released == 10


async def test_the_room_publishes_its_figures_for_the_scaler(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    await fill_and_advance(store)
    figures = RoomFigures.from_hash(await client.hgetall(figures_key("cactus")))
    assert figures is not None
    assert figures.opens_at_s is None
    await client.hset("{cactus}:room", "published_us", "1")
    await store.join([device(1_000)])
    await store.advance()
    figures = RoomFigures.from_hash(await client.hgetall(figures_key("cactus")))
    assert figures is not None
    assert figures.tail == 51
    assert figures.arrivals_per_s > 0


@pytest.mark.parametrize("ending", ["closes_us", "ops_closes_us", "soldout"])
async def test_those_left_over_when_a_sale_ends_are_no_work_for_the_scaler(
    client: Redis, ending: str
) -> None:
    now_us = await store_now_us(client)
    opened = {"prequeue_us": str(now_us - 2 * MINUTE_US), "opens_us": str(now_us - MINUTE_US)}
    store = OnsaleStore(client, "cactus", settings(**opened))
    await store.configure()
    await client.hset("{cactus}:room", "hold", "so that nobody is released meanwhile")
    await fill_and_advance(store)
    await client.rpush("{cactus}:late", "1:1")
    await client.hset("{cactus}:room", ending, str(now_us + 10 * MINUTE_US))

    async def backlog() -> int:
        await client.hset("{cactus}:room", "published_us", "1")
        assert (await store.advance()).waiting > 0
        figures = RoomFigures.from_hash(await client.hgetall(figures_key("cactus")))
        assert figures is not None
        assert (figures.tail, figures.released) == (50, 0)
        return figures.waiting + figures.late

    assert await backlog() == 51
    await client.hset("{cactus}:room", ending, str(await store_now_us(client)))
    assert await backlog() == 0


async def fill_and_advance(store: OnsaleStore) -> None:
    await store.configure()
    await fill(store, 50)
    await store.advance()


async def test_settings_lost_with_the_data_are_written_again(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings())
    before = await store.advance()
    await client.flushall()
    after = await store.advance()
    assert after.epoch > before.epoch
    assert after.released == 0


async def test_what_the_rule_that_gives_the_rate_expects_comes_with_it(client: Redis) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0"))
    await store.configure()
    now = await store_now_us(client)
    outlook = Outlook(100.0, 40.0, 20.0, 60.0, 20.0, 65.0, 240.0)
    for rule, rate in (("web", 4.0), ("database", 30.0)):
        segment = TargetSegment(rule, now, now + MINUTE_US, rate, None, f"{rule} says so", 0)
        told = {"outlook": outlook.to_text(), "outlook_us": str(now)} if rule == "web" else {}
        await client.rpush(targets_key("cactus"), json.dumps(json.loads(segment.to_json()) | told))
    snapshot = await store.advance()
    # The other rule will let no more in than it does now.
    assert snapshot.outlook == outlook.within(30.0)
    assert snapshot.outlook_at_s == pytest.approx(now / 1e6)


@pytest.mark.parametrize(("ends_in_s", "rate"), [(-1, 4.0), (60, 90.0)], ids=["expired", "above the ceiling"])
async def test_a_rule_that_does_not_give_the_rate_tells_nothing_of_it(
    client: Redis, ends_in_s: int, rate: float
) -> None:
    store = OnsaleStore(client, "cactus", settings(rate="50.0"))
    await store.configure()
    now = await store_now_us(client)
    segment = TargetSegment("web", now - MINUTE_US, now + ends_in_s * 1_000_000, rate, None, "so it says", 0)
    told = {"outlook": Outlook(100.0, 40.0, 20.0, 60.0, 20.0, 65.0).to_text(), "outlook_us": str(now)}
    await client.rpush(targets_key("cactus"), json.dumps(json.loads(segment.to_json()) | told))
    assert (await store.advance()).outlook is None
