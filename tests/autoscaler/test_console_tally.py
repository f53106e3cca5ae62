"""What people bring about at will takes a line at once and then one a minute, however often they do it and from wherever."""

import math
from dataclasses import replace

from redis.asyncio import Redis

from autoscaler.console.audit import Audit
from autoscaler.console.entries import Entry, read_entry, write_entry
from autoscaler.console.tally import EVERY_S, OTHERS, TOLD_APART, Tally
from autoscaler.store.shelves import Shelves
from tests.autoscaler.fakes import START_S


def entry(
    client: str = "192.0.2.1", who: str = "", what: str = "sign in", outcome: str = "not known"
) -> Entry:
    return Entry(START_S, who, what, "", "", outcome, "console-1", client)


def test_the_first_is_told_at_once_and_the_rest_together_a_minute_later() -> None:
    tally = Tally()
    assert tally.take(entry(), 0.0) == entry()
    assert [tally.take(entry(), second) for second in (1.0, 2.0, 3.0)] == [None, None, None]
    assert tally.due(EVERY_S - 1) == []
    (told,) = tally.due(EVERY_S)
    assert told.times == 3
    assert tally.take(entry(), EVERY_S + 1) is None
    assert [each.times for each in tally.due(2 * EVERY_S)] == [1]
    # A quiet minute later it is forgotten, and the next one is the first again.
    assert tally.due(3 * EVERY_S) == []
    assert tally.take(entry(), 3 * EVERY_S + 1) == entry()


def test_a_stranger_is_known_by_the_address_alone_and_a_person_by_what_was_refused() -> None:
    tally = Tally()
    assert tally.take(entry(outcome="not known"), 0.0) is not None
    assert tally.take(entry(outcome="try again in 7 seconds"), 1.0) is None
    assert tally.take(entry("192.0.2.2"), 1.0) is not None
    assert tally.take(entry(who="kim", outcome="may look"), 1.0) is not None
    assert tally.take(entry(who="kim", outcome="too long"), 1.0) is not None
    assert tally.take(entry(who="lee", outcome="too long"), 1.0) is not None
    # Of which service, whoever is refused could choose without end.
    assert tally.take(replace(entry(who="lee", outcome="too long"), about="x"), 1.0) is None


def test_beyond_so_many_addresses_all_others_share_one_line() -> None:
    tally = Tally()
    told = [tally.take(entry(f"198.51.100.{number}"), 0.0) for number in range(250)]
    written = [each for each in told if each is not None]
    assert len(written) == TOLD_APART + 1
    assert written[-1].client == OTHERS
    (rest,) = tally.due(EVERY_S)
    assert (rest.client, rest.times) == (OTHERS, 250 - TOLD_APART - 1)


async def test_neither_strangers_nor_who_is_refused_push_out_what_was_done(client: Redis) -> None:
    audit = Audit(lambda: Shelves(client))
    await audit.note(entry(who="kim", what="hold", outcome=""))
    for second in range(2000):
        audit.tell(entry(f"198.51.{second % 250}.{second % 199}"), float(second))
        audit.tell(entry("192.0.2.1"), float(second))
        audit.tell(entry(who="wallboard", outcome=f"refused for the {second}th time"), float(second))
        if second % 20 == 0:
            await audit.carry_on(float(second))
    await audit.carry_on(math.inf)
    assert {each.who for each in await audit.entries()} >= {"kim", "wallboard"}
    assert [each.what for each in await audit.entries() if each.who == "kim"] == ["hold"]
    strangers = await audit.strangers()
    assert len(strangers) == 200
    assert {each.who for each in strangers} == {""}
    # Another scaler on the store shows the same.
    assert await Audit(lambda: Shelves(client)).entries() == await audit.entries()


def test_an_entry_of_an_earlier_version_is_read_and_what_is_none_is_left_out() -> None:
    assert read_entry(write_entry(entry())) == entry()
    old = '{"at_s": 1.0, "who": "kim", "what": "hold", "about": "", "detail": "", "outcome": "", "request_id": "x"}'
    assert read_entry(old) == Entry(1.0, "kim", "hold", "", "", "", "x")
    assert [read_entry(text) for text in ("", "[]", "{}", "7")] == [None] * 4
