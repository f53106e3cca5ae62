"""Two operators at once: neither undoes unseen what the other has just done, and a line that is not held can always be held."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from autoscaler.console.seen import Changed, check_seen, mark_of
from tests.autoscaler.console_stage import Operator, Stage, running_stage, signed_in, stage_settings
from tests.autoscaler.test_console_acts import becomes, rule_of
from tests.waitingroom.samples import onsale


@pytest.fixture
async def stage(tmp_path: Path, store_url: str, client: Redis) -> AsyncIterator[Stage]:
    document = onsale(admission={"rate": "10/s", "burst": 5, "claimWithin": "30s"})
    async with running_stage(stage_settings(tmp_path, store_url), document) as stage:
        await becomes(lambda: rule_of(stage), lambda rule: rule["rounds"] > 0)
        yield stage


async def seen(operator: Operator, page: str, action: str) -> str:
    """Return the mark that a form of a page bears."""
    form = (
        (await operator.page(page)).partition(f'action="/console/{page}/{action}"')[2].partition("</form>")[0]
    )
    found = re.search(r'name="seen" value="([0-9a-f]{16})"', form)
    assert found
    return found[1]


async def test_a_mode_that_another_has_changed_meanwhile_is_looked_at_again(stage: Stage) -> None:
    async with signed_in(stage) as kim, signed_in(stage) as lee:
        before = await seen(kim, "services/web", "mode")
        assert "web is paused now" in await lee.act("services/web/mode", mode="paused", seen=before)
        page = await kim.act("services/web/mode", mode="dryRun", seen=before)
        assert "Not done: operator-of-tests has set web to paused since you opened the page." in page
        assert (await rule_of(stage))["override"]["mode"] == "paused"
        now = await seen(kim, "services/web", "mode")
        assert "web is on a dry run now" in await kim.act("services/web/mode", mode="dryRun", seen=now)
        assert "has set web to paused since" in await kim.page("audit")


async def test_asked_once_more_the_question_still_knows_what_was_seen(stage: Stage) -> None:
    async with signed_in(stage) as kim, signed_in(stage) as lee:
        before = await seen(kim, "services/web", "mode")
        form = {"mode": "pinned", "replicas": "3", "seen": before}
        async with await kim.post("services/web/mode", form_key=await kim.key(), **form) as asked:
            question = await asked.text()
        assert f'name="seen" value="{before}"' in question
        await lee.act("services/web/mode", mode="paused")
        page = await kim.act("services/web/mode", confirmed="yes", **form)
        assert "has set web to paused since you opened the page" in page
        assert (await rule_of(stage))["override"]["mode"] == "paused"


async def test_an_onsale_that_another_holds_is_not_resumed_unseen(stage: Stage) -> None:
    async with signed_in(stage) as kim, signed_in(stage) as lee:
        held = await kim.act("onsales/cactus/hold", reason="The payments are down")
        assert "nobody is released" in held
        before = await seen(kim, "onsales/cactus", "resume")
        await lee.act("onsales/cactus/hold", reason="A fire alarm")
        page = await kim.act("onsales/cactus/resume", seen=before)
        assert "Not done: the onsale was held: “A fire alarm”, since you opened the page." in page
        assert stage.room is not None
        room = stage.room.rooms["cactus"]

        async def hold() -> str:
            return "" if room.snapshot is None else room.snapshot.hold

        assert await becomes(hold, bool) == "A fire alarm"
        now = await seen(kim, "onsales/cactus", "resume")
        assert "buyers are released again" in await kim.act("onsales/cactus/resume", seen=now)


async def test_a_line_that_somebody_has_just_set_free_can_be_held_at_once(stage: Stage) -> None:
    async with signed_in(stage) as kim, signed_in(stage) as lee:
        await kim.act("onsales/cactus/hold", reason="The payments are down")
        before = await seen(kim, "onsales/cactus", "hold")
        await lee.act("onsales/cactus/resume")
        page = await kim.act("onsales/cactus/hold", reason="They are still down", seen=before)
        assert "nobody is released until you resume" in page


async def test_one_field_does_not_stand_in_the_way_of_another(stage: Stage) -> None:
    async with signed_in(stage) as kim, signed_in(stage) as lee:
        marks = {action: await seen(kim, "onsales/cactus", action) for action in ("hold", "rate", "message")}
        await lee.act("onsales/cactus/rate", rate="4/s", seen=marks["rate"])
        done = await kim.act("onsales/cactus/hold", reason="A fire alarm", seen=marks["hold"])
        assert "nobody is released until you resume" in done
        page = await kim.act("onsales/cactus/rate", rate="9/s", seen=marks["rate"])
        assert "Not done: the rate was set to 4/s since you opened the page." in page
        assert "the message is set" in await kim.act(
            "onsales/cactus/message", message="Soon", seen=marks["message"]
        )


def test_a_form_without_a_mark_is_taken_as_it_is() -> None:
    check_seen({}, "anything", "it is another one")
    check_seen({"seen": mark_of(None)}, None, "it is another one")
    with pytest.raises(Changed, match="it is another one since you opened the page"):
        check_seen({"seen": mark_of(None)}, "something", "it is another one")
