"""What operators do takes effect in the store, from now on, and outlives a reload."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from rulebook.coupling import US_PER_S, targets_key
from tests.segments import TargetSegment
from tests.waitingroom.backoffice import Office, token_file
from tests.waitingroom.living import living
from tests.waitingroom.samples import device, onsale, quiet_snapshot, settings
from tests.waitingroom.test_store_release import fill, shift_time
from waitingroom.audit import Action
from waitingroom.errors import ChangeRefused, JoinRefused
from waitingroom.ruletargets import RuleTarget
from waitingroom.snapshot import Line, Snapshot
from waitingroom.store.client import OnsaleStore
from waitingroom.store.operations import OnsaleOperations
from waitingroom.web.admin_preflight import check_line, check_operators, check_rules

ANN = Action("ann", "test", "request-1")


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)


async def make(client: Redis, buyers: int = 200, **changes: str) -> tuple[OnsaleStore, OnsaleOperations]:
    store = OnsaleStore(client, "cactus", settings(**changes))
    await store.configure()
    await fill(store, buyers)
    return store, OnsaleOperations(client, "cactus")


async def test_a_lower_rate_counts_from_now_on(client: Redis) -> None:
    store, operations = await make(client, rate="10.0", burst="100")
    begin = await store.advance()
    await shift_time(client, 5)
    entry = await operations.change(ANN, "set", ["ops_rate", "1.0"])
    assert (entry.before, entry.after) == ({"ops_rate": ""}, {"ops_rate": "1.0"})
    settled = await store.advance()
    # Beside the five seconds, what this machine took by the store's clock.
    assert 50 <= settled.released - begin.released <= 51 + 10 * (settled.at_s - begin.at_s)
    assert (settled.rate_per_s, settled.rate_reason) == (1.0, "operator")
    await shift_time(client, 5)
    after = await store.advance()
    assert 5 <= after.released - settled.released <= 6 + (after.at_s - settled.at_s)


async def test_an_override_outlives_a_reload_and_is_taken_back(client: Redis) -> None:
    store, operations = await make(client)
    await operations.change(ANN, "set", ["ops_rate", "1.0", "ops_capacity", "7"])
    reloaded = await store.configure(settings(rate="30.0", capacity="100", config="other"))
    assert (reloaded.rate_per_s, reloaded.capacity) == (1.0, 7)
    await operations.change(ANN, "set", ["ops_rate", "", "ops_capacity", ""])
    assert await operations.overrides() == {}
    after = await store.advance()
    assert (after.rate_per_s, after.rate_reason, after.capacity) == (30.0, "ceiling", 100)


async def test_a_ceiling_above_the_documents_lifts_nothing(client: Redis) -> None:
    store, operations = await make(client)
    await operations.change(ANN, "set", ["ops_rate", "1000.0"])
    assert (await store.advance()).rate_per_s == 10.0


async def test_a_hold_settles_what_was_due_and_releases_nobody_after(client: Redis) -> None:
    store, operations = await make(client, burst="100")
    begin = await store.advance()
    await shift_time(client, 3)
    await operations.change(ANN, "set", ["hold", "the payment provider is down"])
    held = await store.advance()
    assert 30 <= held.released - begin.released <= 31 + 10 * (held.at_s - begin.at_s)
    assert held.hold == "the payment provider is down"
    await shift_time(client, 60)
    assert (await store.advance()).released == held.released
    await operations.change(ANN, "set", ["hold", ""])
    assert (await store.advance()).hold == ""


async def minutes_from_now(client: Redis, minutes: float) -> str:
    seconds, _ = await client.time()
    return str(int((seconds + 60 * minutes) * 1_000_000))


async def test_opening_now_lets_buyers_join_and_be_released(client: Redis) -> None:
    later = await minutes_from_now(client, 60)
    store = OnsaleStore(client, "cactus", settings(prequeue_us=later, opens_us=later))
    await store.configure()
    with pytest.raises(JoinRefused):
        await store.join([device(1)])
    operations = OnsaleOperations(client, "cactus")
    await operations.change(ANN, "open")
    assert [place.number for place in await store.join([device(1)])] == [1]
    await shift_time(client, 5)
    snapshot = await store.advance()
    assert snapshot.released == 1
    assert snapshot.opens_at_s is not None
    assert snapshot.opens_at_s <= snapshot.at_s


async def test_closing_now_ends_joining_and_opening_takes_it_back(client: Redis) -> None:
    store, operations = await make(client)
    await operations.change(ANN, "close")
    with pytest.raises(JoinRefused, match="closed"):
        await store.join([device(9_999)])
    closed = await store.advance()
    assert closed.closes_at_s is not None
    await shift_time(client, 60)
    assert (await store.advance()).released == closed.released
    await operations.change(ANN, "open")
    assert (await store.advance()).closes_at_s is None
    await store.join([device(9_999)])


async def test_what_is_past_in_the_document_is_not_opened(client: Redis) -> None:
    _, operations = await make(client)
    store = OnsaleStore(client, "cactus", settings(closes_us=await minutes_from_now(client, -1)))
    await store.configure()
    with pytest.raises(ChangeRefused, match="closing time"):
        await operations.change(ANN, "open")


async def test_sold_out_counts_as_closed_until_taken_back(client: Redis) -> None:
    store, operations = await make(client)
    await operations.change(ANN, "soldout", ["1"])
    again = await operations.change(ANN, "soldout", ["1"])
    assert again.after == {}
    with pytest.raises(JoinRefused, match="closed"):
        await store.join([device(9_999)])
    with pytest.raises(ChangeRefused, match="sold out"):
        await operations.change(ANN, "open")
    await operations.change(ANN, "soldout", [""])
    await store.join([device(9_999)])


async def test_an_early_opening_draws_and_cannot_be_taken_back(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    drawn = onsale(opens_in_s=3600, order="draw")
    async with living(tmp_path, store_url, drawn, admin_tokens=token_file(tmp_path)) as here:
        room, office = here.rooms["cactus"], Office(here)
        async with here.buyer() as buyer, buyer.post(f"{here.room}/cactus/join") as answer:
            assert (await answer.json())["state"] == "prequeue"
        await office.act("open")

        async def published() -> bool:
            return room.snapshot is not None and bool(room.snapshot.draw_record)

        await until(published)
        status, refused = await office.post("/admin/v1/onsales/cactus/open", {"at": "document"})
        assert status == 409
        assert "cannot be taken back" in refused["detail"]


async def test_buyers_are_told_of_a_hold(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        changed = await office.act("hold", reason="Adyen antwoordt niet")
        assert changed["who"] == "operator-of-tests"
        assert changed["after"] == {"hold": "Adyen antwoordt niet"}

        async def seen(hold: str) -> Snapshot | bool:
            snapshot = here.rooms["cactus"].snapshot
            return snapshot is not None and snapshot.hold == hold

        await until(lambda: seen("Adyen antwoordt niet"))
        _, listed = await office.get("/admin/v1/onsales")
        assert [(each["phase"], each["hold"]) for each in listed["onsales"]] == [
            ("held", "Adyen antwoordt niet")
        ]
        await office.act("resume")
        await until(lambda: seen(""))


async def test_everything_of_an_onsale_is_shown(tmp_path: Path, store_url: str, client: Redis) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        await office.act("rate", rate="30/m")
        await office.act("message", message="Bring your own sunscreen")
        _, shown = await office.get("/admin/v1/onsales/cactus")
        assert shown["overrides"] == {"ops_rate": "0.5", "message": "Bring your own sunscreen"}
        assert shown["document"]["spec"]["admission"]["rate"] == "10/s"
        assert shown["snapshot"]["burst"] == 5
        await office.act("rate", rate=None)
        _, shown = await office.get("/admin/v1/onsales/cactus")
        assert "ops_rate" not in shown["overrides"]


@pytest.mark.parametrize(
    ("action", "body", "status", "words"),
    [
        pytest.param("rate", {"rate": "11/s"}, 409, "ceiling is 10/s", id="rate above the document's"),
        pytest.param("rate", {"rate": "fast"}, 422, "", id="no rate"),
        pytest.param("rate", {}, 422, "", id="rate missing"),
        pytest.param("hold", {}, 422, "", id="hold without reason"),
        pytest.param("hold", {"reason": "a\u0000b"}, 422, "", id="control characters"),
        pytest.param("hold", {"reason": " "}, 422, "", id="blank reason"),
        pytest.param("hold", {"reason": "x", "until": 1}, 422, "", id="unknown field"),
        pytest.param("hold", ["x"], 422, "", id="no object"),
        pytest.param("capacity", {"capacity": True}, 422, "", id="capacity no number"),
        pytest.param("explode", {}, 404, "", id="unknown action"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, store_url: str, client: Redis, action: str, body: Any, status: int, words: str
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        got, refused = await office.post(f"/admin/v1/onsales/cactus/{action}", body)
        assert got == status
        assert refused["status"] == status
        assert words in refused["detail"]
        _, shown = await office.get("/admin/v1/onsales/cactus")
        assert shown["overrides"] == {}


async def test_the_audit_log_tells_who_changed_what(tmp_path: Path, store_url: str, client: Redis) -> None:
    rooms = (onsale(), onsale("tulip", protect=[{"path": "/tulip"}]))
    async with living(tmp_path, store_url, *rooms, admin_tokens=token_file(tmp_path)) as here:
        await Office(here, **{"X-Request-Id": "trace-7"}).act("rate", rate="2/s")
        office = Office(here)
        await office.act("rate", rate="1/s")
        await office.post("/admin/v1/onsales/tulip/hold", {"reason": "rain"})
        _, log = await office.get("/admin/v1/audit")
        told = [(each["onsale"], each["what"], each["before"], each["after"]) for each in log["entries"]]
        assert told == [
            ("tulip", "hold", {"hold": ""}, {"hold": "rain"}),
            ("cactus", "rate", {"ops_rate": "2.0"}, {"ops_rate": "1.0"}),
            ("cactus", "rate", {"ops_rate": ""}, {"ops_rate": "2.0"}),
        ]
        assert log["entries"][2]["request_id"] == "trace-7"
        _, one = await office.get("/admin/v1/audit?onsale=cactus&limit=1")
        assert [each["after"] for each in one["entries"]] == [{"ops_rate": "1.0"}]


async def test_the_audit_list_is_bounded(client: Redis) -> None:
    _, operations = await make(client, buyers=1)
    await client.rpush("{cactus}:audit", *["{}"] * 1_500)
    await operations.change(ANN, "set", ["message", "hello"])
    assert await client.llen("{cactus}:audit") == 1_000


@pytest.mark.parametrize(
    ("left", "result", "detail"),
    [
        pytest.param({"hold": ""}, "pass", "nothing is set over the document", id="taken back"),
        pytest.param(
            {"hold": "rehearsal", "ops_rate": "0.1"},
            "fail",
            "on hold (rehearsal): tidegate onsale resume cactus; "
            "bound to 0.1/s: tidegate onsale rate cactus none",
            id="on hold at a low rate",
        ),
        pytest.param(
            {"soldout": "1"}, "fail", "sold out: tidegate onsale soldout cactus --undo", id="sold out"
        ),
        pytest.param(
            {"ops_closes_us": "1"},
            "fail",
            "closed by an operator: tidegate onsale close cactus --as-documented",
            id="closed",
        ),
        pytest.param(
            {"closes_us": "999000000"},
            "fail",
            "closed, as the document says: write a later closes there",
            id="over",
        ),
        pytest.param({"closes_us": "1001000000"}, "pass", "nothing is set over the document", id="not over"),
        pytest.param(
            {"ops_opens_us": "1"},
            "warn",
            "opened by an operator: tidegate onsale open cactus --as-documented",
            id="opened",
        ),
        pytest.param(
            {"ops_capacity": "5"},
            "warn",
            "bound to a capacity of 5: "
            'POST /admin/v1/onsales/cactus/capacity with {"capacity": null} takes it back',
            id="a low capacity",
        ),
        pytest.param(
            {"message": "a test"},
            "warn",
            "shows a message (a test): take it back in the console",
            id="a message",
        ),
    ],
)
def test_preflight_finds_what_operators_have_left_behind(
    left: dict[str, str], result: str, detail: str
) -> None:
    found = check_operators("cactus", left, now_s=1_000.0)
    assert (found.name, found.result, found.detail) == ("operators", result, detail)


@pytest.mark.parametrize(
    ("issued", "after_s", "result"),
    [
        pytest.param(7, -60, "warn", id="places of a rehearsal"),
        pytest.param(0, -60, "pass", id="nobody yet"),
        pytest.param(7, 60, "pass", id="joining has begun"),
    ],
)
def test_preflight_finds_places_that_stand_in_line_before_anybody_may(
    issued: int, after_s: float, result: str
) -> None:
    sale = onsale(opens_in_s=3_600)
    assert sale.spec.prequeue is not None
    copy = quiet_snapshot(lines=(Line(1, issued, 0, 0),))
    found = check_line(sale, copy, sale.spec.prequeue.timestamp() + after_s)
    assert (found.name, found.result) == ("line", result)
    assert f"{issued} places" in found.detail
    assert ("delete all keys {cactus}:*" in found.detail) == (result == "warn")


NOW_S = 1_000.0


def target(rule: str, left_s: float, rate_per_s: float = 20.0, capacity: int | None = None) -> RuleTarget:
    """Return what a rule wrote a minute before its target ends, `left_s` from now."""
    return RuleTarget(rule, NOW_S + left_s - 60, NOW_S + left_s, rate_per_s, capacity)


@pytest.mark.parametrize(
    ("targets", "result", "detail"),
    [
        pytest.param(
            [],
            "warn",
            "no rule has told how much the shop can take, so the document's rate (50/s) applies, whatever the shop can take: "
            "is a rule meant to? tidegate scaler status",
            id="no rule",
        ),
        pytest.param(
            [target("web", -20), target("web", 40, 22.5, 900)],
            "pass",
            "web: 22.5/s, 900 inside, for another 40 s",
            id="a rule speaks",
        ),
        pytest.param(
            [target("web", -90)],
            "fail",
            "web: silent for 90 s, so fallbackRate 5/s applies: tidegate scaler status web",
            id="a rule is silent",
        ),
        pytest.param(
            [target("web", 40), target("db", -30)],
            "fail",
            "web: 20/s, for another 40 s; db: silent for 30 s, so fallbackRate 5/s applies: tidegate scaler status db",
            id="one of two is silent",
        ),
        pytest.param(
            [target("old", -300), target("web", 40)],
            "warn",
            "old: silent for 300 s, so it doesn't count: was it taken away?; web: 20/s, for another 40 s",
            id="a rule was renamed",
        ),
        pytest.param([target("web", 40, 0.0)], "warn", "web: 0/s, for another 40 s", id="nothing is ready"),
        pytest.param(
            [target("web", 40), target("db", 40), replace(target("web", -1), withdrawn=True)],
            "pass",
            "db: 20/s, for another 40 s",
            id="one was withdrawn",
        ),
    ],
)
def test_preflight_tells_which_rules_speak(targets: list[RuleTarget], result: str, detail: str) -> None:
    found = check_rules(targets, {"rate": "50.0", "fallback": "5.0"}, NOW_S)
    assert (found.name, found.result, found.detail) == ("rules", result, detail)


def test_preflight_names_the_last_rate_where_no_other_one_is_to_fall_back_on() -> None:
    found = check_rules([target("web", -90)], {"rate": "50.0", "fallback": ""}, NOW_S)
    assert "so its last rate 20/s applies" in found.detail


async def test_preflight_reads_the_targets_of_the_store(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        now_us = round(time.time() * US_PER_S)
        for rule, until_us in (("silent", now_us - 40 * US_PER_S), ("web", now_us + 60 * US_PER_S)):
            segment = TargetSegment(rule, now_us - 90 * US_PER_S, until_us, 4.0, None, "2 ready", 1)
            await client.rpush(targets_key("cactus"), segment.to_json(), "{}")
        _, checked = await Office(here).get("/admin/v1/onsales/cactus/preflight")
        (found,) = [each for each in checked["checks"] if each["name"] == "rules"]
        assert found["result"] == "fail"
        assert re.match(
            r"silent: silent for [4-9]\d s, so its last rate 4/s applies.*; web: 4/s", found["detail"]
        )


async def test_preflight_fails_while_a_rehearsals_hold_stands(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    async with living(tmp_path, store_url, onsale(), admin_tokens=token_file(tmp_path)) as here:
        office = Office(here)
        await office.act("hold", reason="rehearsal")
        _, checked = await office.get("/admin/v1/onsales/cactus/preflight")
        found = {each["name"]: each["result"] for each in checked["checks"]}
        assert (checked["result"], found["operators"], found["settings"]) == ("fail", "fail", "pass")


async def test_preflight_names_what_is_not_ready(tmp_path: Path, store_url: str, client: Redis) -> None:
    tight = onsale(admission={"rate": "10/s", "burst": 5, "capacity": 20})
    async with living(tmp_path, store_url, tight, admin_tokens=token_file(tmp_path)) as here:
        _, checked = await Office(here).get("/admin/v1/onsales/cactus/preflight")
        found = {each["name"]: (each["result"], each["detail"]) for each in checked["checks"]}
        assert found["store"][0] == found["memory"][0] == found["clock"][0] == found["settings"][0] == "pass"
        assert found["headroom"] == (
            "warn",
            "rate x session.length = 600 exceeds the capacity of 20: it will bind",
        )
        await client.hset("{cactus}:room", "rate", "3.0")
        _, checked = await Office(here).get("/admin/v1/onsales/cactus/preflight")
        assert checked["result"] == "fail"
        assert "the store differs from the document in rate" in {each["detail"] for each in checked["checks"]}
