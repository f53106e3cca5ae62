"""A process remembers live sessions for the case that the store loses them, and no longer than they live."""

from __future__ import annotations

from dataclasses import replace

from tests.waitingroom.samples import onsale
from tests.waitingroom.test_standing import OPEN
from waitingroom.livesessions import LiveSessions
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore, SessionTimes
from waitingroom.store.connect import connect

LENGTH_S = 60.0
A_DAY = 24 * 60


async def test_sessions_that_expire_are_forgotten_while_the_epoch_goes_on() -> None:
    document = onsale()
    # Within an epoch nothing is asked of the store.
    client = connect("redis://127.0.0.1:1/0")
    sessions = LiveSessions(OnsaleStore(client, document.name, room_settings(document)), lambda: LENGTH_S)
    sessions.told_epoch = OPEN.epoch
    most = 0
    for minute in range(A_DAY):
        now_s = OPEN.at_s + 60.0 * minute
        for buyer in range(100):
            sessions.note(f"{minute}-{buyer}", SessionTimes(now_s + LENGTH_S, now_s + LENGTH_S))
        await sessions.tell(replace(OPEN, at_s=now_s))
        most = max(most, sessions.remembered)
    assert 200 <= most <= 1_100
    await client.aclose()
