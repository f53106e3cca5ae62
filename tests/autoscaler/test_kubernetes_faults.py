"""What can be ordered to go wrong in the little API server, as a client meets it."""

import asyncio

import aiohttp
import pytest

from tests.autoscaler.kubernetes_api.client import Client, Refused
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.faults import Fault, Kind
from tests.autoscaler.kubernetes_api.fixtures import little
from tests.autoscaler.kubernetes_api.patches import MERGE

__all__ = ["little"]

LOST = (aiohttp.ClientError, OSError)


@pytest.fixture
async def user(little: Cluster) -> Client:
    """A client whom faults meet; there is a Deployment `web` of two replicas, ready."""
    await little.deploy("web", 2)
    await little.until_ready("web", 2)
    return little.admin.speaking_as(await little.account("scaler"))


def scale_path(little: Cluster) -> str:
    return little.path("Deployment", "web", "scale")


async def test_too_many_requests_are_refused_with_a_time_to_wait(little: Cluster, user: Client) -> None:
    fault = little.server.faults.order(Fault(Kind.TOO_MANY, times=2, seconds=3))
    for _ in range(2):
        reply = await user.ask("GET", scale_path(little))
        assert (reply.code, reply.headers["Retry-After"]) == (429, "3")
    assert (await user.ask("GET", scale_path(little))).code == 200
    assert fault.met == 2


@pytest.mark.parametrize(
    ("code", "reason"), [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "InternalError")]
)
async def test_a_server_in_trouble_says_so(little: Cluster, user: Client, code: int, reason: str) -> None:
    little.server.faults.order(Fault(Kind.ERROR, code=code))
    reply = await user.ask("GET", scale_path(little))
    assert (reply.code, reply.body["code"], reply.body["reason"]) == (code, code, reason)


async def test_a_fault_strikes_only_what_it_is_for(little: Cluster, user: Client) -> None:
    little.server.faults.order(
        Fault(Kind.ERROR, times=None, verb="patch", resource="deployments", subresource="scale")
    )
    assert (await user.ask("GET", scale_path(little))).code == 200
    assert (await user.ask("PATCH", scale_path(little), {}, kind=MERGE)).code == 500
    assert (await little.admin.ask("PATCH", scale_path(little), {}, kind=MERGE)).code == 200
    little.server.faults.clear()
    assert (await user.ask("PATCH", scale_path(little), {}, kind=MERGE)).code == 200


async def test_an_object_that_changes_under_ones_hands_is_a_real_conflict(
    little: Cluster, user: Client
) -> None:
    fault = little.server.faults.order(Fault(Kind.CHANGED, times=2, verb="update", resource="deployments"))
    codes = []
    for _ in range(3):
        scale = await user.get(scale_path(little))
        scale["spec"]["replicas"] = 5
        codes.append((await user.ask("PUT", scale_path(little), scale)).code)
    assert codes == [409, 409, 200]
    assert fault.met == 2


async def test_a_connection_is_cut_before_or_after_the_write(little: Cluster, user: Client) -> None:
    little.server.faults.order(Fault(Kind.CUT))
    with pytest.raises(LOST):
        await user.merge(scale_path(little), {"spec": {"replicas": 3}})
    assert await little.replicas("web") == 2
    little.server.faults.order(Fault(Kind.CUT_AFTER))
    with pytest.raises(LOST):
        await user.merge(scale_path(little), {"spec": {"replicas": 3}})
    assert await little.replicas("web") == 3


async def test_a_frozen_server_answers_when_it_thaws(little: Cluster, user: Client) -> None:
    little.server.faults.freeze()
    asking = asyncio.create_task(user.ask("GET", scale_path(little)))
    await little.ready("web")
    assert not asking.done()
    little.server.faults.thaw()
    assert (await asking).code == 200


async def test_watches_are_cut(little: Cluster, user: Client) -> None:
    async with user.watch(little.path("Deployment")) as events:
        await anext(events)
        little.server.cut_watches()
        with pytest.raises(LOST):
            await anext(events)


async def test_a_forgotten_past_ends_a_watch_as_an_event(little: Cluster, user: Client) -> None:
    old = (await user.get(little.path("Deployment")))["metadata"]["resourceVersion"]
    await little.scale("web", 3)
    little.server.storage.compact()
    async with user.watch(little.path("Deployment"), resourceVersion=old) as events:
        found = [event async for event in events]
    assert [event["type"] for event in found] == ["ERROR"]
    status = found[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {old} (")


async def test_a_forgotten_past_can_be_answered_with_gone_at_once(little: Cluster, user: Client) -> None:
    little.server.faults.order(Fault(Kind.GONE, verb="watch"))
    with pytest.raises(Refused, match="410: too old resource version"):
        async with user.watch(little.path("Deployment"), resourceVersion="1"):
            pass


async def test_bookmarks_tell_how_far_a_quiet_watch_has_come(little: Cluster, user: Client) -> None:
    listed = await user.get(little.path("StatefulSet"))
    version = listed["metadata"]["resourceVersion"]
    async with user.watch(
        little.path("StatefulSet"), resourceVersion=version, allowWatchBookmarks="true"
    ) as events:
        await little.scale("web", 3)
        await little.until_ready("web", 3)
        little.server.storage.bookmark()
        bookmark = await anext(events)
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "StatefulSet")
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) > int(version)


async def test_a_server_comes_back_where_it_was(little: Cluster, user: Client) -> None:
    await little.server.stop()
    with pytest.raises(LOST):
        await user.get(scale_path(little))
    await little.server.start()
    assert (await user.get(scale_path(little)))["spec"] == {"replicas": 2}
    await little.scale("web", 3)
    await little.until_ready("web", 3)


async def test_who_knows_more_than_the_server_has_to_wait(little: Cluster, user: Client) -> None:
    reply = await user.ask("GET", little.path("Deployment"), query={"resourceVersion": "999999999"})
    assert (reply.code, reply.body["reason"]) == (504, "Timeout")
    assert reply.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
