"""The check before an onsale says whether the poll budget lets those who only ask hear of their turn in time."""

import pytest
from redis.asyncio import Redis

from tests.waitingroom.samples import KEYRING, onsale
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore
from waitingroom.web.admin_preflight import check_polling


@pytest.mark.parametrize(
    ("rate", "claim", "prequeue", "result", "detail"),
    [
        pytest.param(
            "20/s", "120s", 0, "pass", "buyers who only ask hear of their turn in time, however many they are"
        ),
        pytest.param(
            "160/s",
            "120s",
            0,
            "pass",
            "buyers who only ask hear of their turn in time, up to 1,083,872 of them",
        ),
        pytest.param(
            "500/s",
            "120s",
            0,
            "warn",
            "at 500/s buyers who only ask may hear of their turn late once more than 112,301 wait: "
            "set --poll-budget to 2800 (it is 1000) for a line of 1,800,000",
        ),
        pytest.param(
            "20/s",
            "120s",
            300_000,
            "warn",
            "300,000 await the draw: of more than 109,090 who only ask, the first drawn may hear of their turn late: "
            "set --poll-budget to 2800 (it is 1000)",
        ),
    ],
)
async def test_preflight_tells_whether_those_who_only_ask_hear_of_their_turn_in_time(
    client: Redis, rate: str, claim: str, prequeue: int, result: str, detail: str
) -> None:
    more = {"opens_in_s": 3_600.0, "order": "draw"} if prequeue else {}
    sale = onsale(admission={"rate": rate, "burst": 5, "claimWithin": claim}, **more)  # type: ignore[arg-type]
    store = OnsaleStore(client, "cactus", room_settings(sale))
    room = Room(sale, store, KEYRING, poll_budget_per_s=1_000)
    assert check_polling(room).result == "warn"
    await room.move()
    assert room.snapshot is not None
    if prequeue:
        await client.hset("{cactus}:room", f"tail:{room.snapshot.epoch}", str(prequeue))
        await room.refresh()
    found = check_polling(room)
    assert (found.result, found.detail) == (result, detail)
