"""P8 for accounts and moved places: after a loss of data the signed places which buyers show are the truth."""

import pytest
from redis.asyncio import Redis

from tests.waitingroom.samples import KEYRING, device, onsale
from waitingroom.errors import MoveRefused
from waitingroom.places import Place
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import ClaimOutcome, OnsaleStore

SALE = onsale(admission={"rate": "1000/s", "burst": 1000, "claimWithin": "10m"})
PHONE, LAPTOP = device(1), device(2)
MINUTE_US = 60_000_000


async def new_process(client: Redis) -> Room:
    """Start a process, which knows nothing of what was before it."""
    room = Room(SALE, OnsaleStore(client, "cactus", room_settings(SALE)), KEYRING, poll_budget_per_s=1_000)
    await room.configure()
    return room


async def move_on(client: Redis, *rooms: Room) -> None:
    """Let a minute pass, in which every process has refreshed and all who stand in line are released."""
    for room in rooms:
        await room.refresh()
    await client.hincrbyfloat("{cactus}:room", "refilled_us", -MINUTE_US)
    if await client.hexists("{cactus}:room", "lost_us"):
        await client.hincrbyfloat("{cactus}:room", "lost_us", -2 * MINUTE_US)
    for _ in range(3):
        for room in rooms:
            await room.refresh()


@pytest.fixture
async def room(client: Redis) -> Room:
    room = await new_process(client)
    await move_on(client, room)
    return room


async def moved(room: Room) -> tuple[tuple[str, Place], tuple[str, Place]]:
    """Have a place moved from the phone to the laptop; returns what each of them holds."""
    before = await room.join(PHONE)
    code, _ = await room.issue_code(before[1])
    return before, await room.redeem_code(code, LAPTOP)


async def test_an_account_gets_no_second_place_where_its_buyer_shows_the_first(
    room: Room, client: Redis
) -> None:
    token, place = await room.join_for("ann", PHONE)
    await client.flushall()
    fresh = await new_process(client)
    assert fresh.place(token) == place
    await move_on(client, fresh)
    with pytest.raises(MoveRefused, match="held"):
        await fresh.join_for("ann", LAPTOP)
    _, again = await fresh.join_for("ann", PHONE)
    assert again == place
    _, here = await fresh.join_for("ann", LAPTOP, move=True)
    assert (here.epoch, here.number, here.generation) == (place.epoch, place.number, 1)


async def test_a_process_that_gave_an_account_its_place_tells_the_store_again(
    room: Room, client: Redis
) -> None:
    _, place = await room.join_for("ann", PHONE)
    await client.flushall()
    await move_on(client, room)
    fresh = await new_process(client)
    with pytest.raises(MoveRefused, match="held"):
        await fresh.join_for("ann", LAPTOP)
    assert (await fresh.join_for("ann", PHONE))[1] == place


@pytest.mark.parametrize("first", ["the older", "the newer"])
async def test_of_two_places_which_a_loss_gave_an_account_one_enters(
    room: Room, client: Redis, first: str
) -> None:
    token, older = await room.join_for("ann", PHONE)
    await client.flushall()
    fresh = await new_process(client)
    _, newer = await fresh.join_for("ann", LAPTOP)
    assert newer.epoch > older.epoch
    fresh.place(token)
    await move_on(client, fresh)
    winner, loser = (older, newer) if first == "the older" else (newer, older)
    if winner is newer:
        # The older place counts from the moment at which it is seen; so the newer one has entered before.
        await client.delete("{cactus}:accounts")
    assert (await fresh.claim(winner)).outcome is ClaimOutcome.ADMITTED
    assert (await fresh.claim(loser)).outcome is ClaimOutcome.MOVED
    assert (await fresh.claim(winner)).outcome is ClaimOutcome.AGAIN
    assert await client.zcard("{cactus}:sessions") == 1


async def test_a_process_that_heard_of_a_move_tells_the_store_again(room: Room, client: Redis) -> None:
    (_, old), (_, new) = await moved(room)
    await client.flushall()
    await move_on(client, room)
    fresh = await new_process(client)
    await move_on(client, fresh)
    assert fresh.is_moved(old)
    assert (await fresh.claim(old)).outcome is ClaimOutcome.MOVED
    assert (await fresh.claim(new)).outcome is ClaimOutcome.ADMITTED


async def test_the_higher_generation_wins_as_soon_as_it_shows_itself(room: Room, client: Redis) -> None:
    (old_token, old), (new_token, new) = await moved(room)
    await client.flushall()
    fresh = await new_process(client)
    assert fresh.place(old_token) == old
    await move_on(client, fresh)
    assert (await fresh.claim(old)).outcome is ClaimOutcome.ADMITTED
    # Nobody who is left knew of the move, until the laptop shows its place.
    assert fresh.place(new_token) == new
    assert fresh.is_moved(old)
    assert (await fresh.claim(new)).outcome is ClaimOutcome.AGAIN
    assert await client.zrange("{cactus}:sessions", 0, -1) == [fresh.session_of(new)]
    ((_, told),) = await client.xrange("{cactus}:revocations")
    assert told == {"session": fresh.session_of(old), "kind": "revoke"}
    assert (await fresh.claim(old)).outcome is ClaimOutcome.MOVED
    assert (await fresh.claim(new)).outcome is ClaimOutcome.AGAIN
