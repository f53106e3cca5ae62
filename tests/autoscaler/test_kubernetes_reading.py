"""How a Kubernetes API is listed and watched, asked of the little server and, where one is named, of a real one."""

from collections.abc import AsyncIterator

import pytest

from tests.autoscaler.kubernetes_api.client import Refused
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, real
from tests.autoscaler.kubernetes_api.statuses import Json

__all__ = ["kubernetes", "real"]


async def a_map(cluster: Cluster, name: str, **labels: str) -> Json:
    """Create a ConfigMap."""
    return await cluster.admin.create(maps(cluster), {"metadata": {"name": name, "labels": labels}})


def maps(cluster: Cluster) -> str:
    return f"/api/v1/namespaces/{cluster.namespace}/configmaps"


async def take(events: AsyncIterator[Json], count: int) -> list[tuple[str, str]]:
    """Return the types and names of the next events, bookmarks left out."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        event = await anext(events)
        if event["type"] != "BOOKMARK":
            found.append((event["type"], event["object"]["metadata"]["name"]))
    return found


async def test_a_list_can_be_narrowed_by_labels(kubernetes: Cluster) -> None:
    await a_map(kubernetes, "one", app="web", tier="front")
    await a_map(kubernetes, "two", app="web")
    await a_map(kubernetes, "three", app="shop")

    async def listed(selector: str) -> list[str]:
        found = await kubernetes.admin.get(maps(kubernetes), labelSelector=selector)
        assert found["kind"] == "ConfigMapList"
        return [item["metadata"]["name"] for item in found["items"]]

    assert await listed("app=web") == ["one", "two"]
    assert await listed("app=web,tier!=front") == ["two"]
    assert await listed("app in (shop, web),!tier") == ["three", "two"]
    assert await listed("tier") == ["one"]
    assert await listed("app notin (web),app") == ["three"]


async def test_the_items_of_a_list_do_not_repeat_their_kind(kubernetes: Cluster) -> None:
    await a_map(kubernetes, "one", app="web")
    listed = await kubernetes.admin.get(maps(kubernetes), fieldSelector="metadata.name=one")
    (item,) = listed["items"]
    assert "kind" not in item
    assert "apiVersion" not in item


async def test_a_field_that_cannot_be_selected_is_a_bad_request(kubernetes: Cluster) -> None:
    with pytest.raises(Refused, match=r"400: .*field label not supported"):
        await kubernetes.admin.get(maps(kubernetes), fieldSelector="data.a=b")


async def test_a_long_list_comes_in_pages(kubernetes: Cluster) -> None:
    for name in ("a", "b", "c"):
        await a_map(kubernetes, name, app="web")
    query = {"limit": "2", "labelSelector": "app=web"}
    first = await kubernetes.admin.get(maps(kubernetes), **query)
    rest = await kubernetes.admin.get(
        maps(kubernetes), **query, **{"continue": first["metadata"]["continue"]}
    )
    names = [item["metadata"]["name"] for item in (*first["items"], *rest["items"])]
    assert names == ["a", "b", "c"]
    assert "continue" not in rest["metadata"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_watch_goes_on_where_the_list_ended(kubernetes: Cluster) -> None:
    await a_map(kubernetes, "before", app="web")
    listed = await kubernetes.admin.get(maps(kubernetes))
    await a_map(kubernetes, "meanwhile", app="web")
    version = listed["metadata"]["resourceVersion"]
    async with kubernetes.admin.watch(
        maps(kubernetes), resourceVersion=version, labelSelector="app=web"
    ) as events:
        assert await take(events, 1) == [("ADDED", "meanwhile")]
        await kubernetes.admin.merge(f"{maps(kubernetes)}/before", {"data": {"a": "b"}})
        assert await take(events, 1) == [("MODIFIED", "before")]
        await kubernetes.admin.delete(f"{maps(kubernetes)}/before")
        assert await take(events, 1) == [("DELETED", "before")]


async def test_what_comes_to_match_is_added_and_what_ceases_to_is_deleted(kubernetes: Cluster) -> None:
    await a_map(kubernetes, "one", app="shop")
    version = (await kubernetes.admin.get(maps(kubernetes)))["metadata"]["resourceVersion"]
    async with kubernetes.admin.watch(
        maps(kubernetes), resourceVersion=version, labelSelector="app=web"
    ) as events:
        await kubernetes.admin.merge(f"{maps(kubernetes)}/one", {"metadata": {"labels": {"app": "web"}}})
        await kubernetes.admin.merge(f"{maps(kubernetes)}/one", {"metadata": {"labels": {"app": "shop"}}})
        assert await take(events, 2) == [("ADDED", "one"), ("DELETED", "one")]


async def test_a_watch_of_one_object_hears_of_no_other(kubernetes: Cluster) -> None:
    version = (await kubernetes.admin.get(maps(kubernetes)))["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "fieldSelector": "metadata.name=mine"}
    async with kubernetes.admin.watch(maps(kubernetes), **query) as events:
        await a_map(kubernetes, "other")
        await a_map(kubernetes, "mine")
        assert await take(events, 1) == [("ADDED", "mine")]


async def test_a_watch_ends_when_its_time_is_up(kubernetes: Cluster) -> None:
    async with kubernetes.admin.watch(
        maps(kubernetes), timeoutSeconds="1", fieldSelector="metadata.name=none"
    ) as events:
        assert [event async for event in events if event["type"] != "BOOKMARK"] == []


async def test_a_watch_can_begin_with_what_there_is(kubernetes: Cluster) -> None:
    await a_map(kubernetes, "one", app="web")
    query = {
        "labelSelector": "app=web",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with kubernetes.admin.watch(maps(kubernetes), **query) as events:
        assert (await anext(events))["type"] == "ADDED"
        bookmark = await anext(events)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_events_are_seen_by_both_groups(kubernetes: Cluster) -> None:
    await kubernetes.deploy("web", 1)
    now = "2026-12-05T10:00:00.123456Z"
    body = {
        "metadata": {"name": "web.1"},
        "eventTime": now,
        "reportingController": "tidegate.dev/scaler",
        "reportingInstance": "scaler-1",
        "action": "Rescale",
        "reason": "SuccessfulRescale",
        "type": "Normal",
        "note": "New size: 3",
        "regarding": {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "name": "web",
            "namespace": kubernetes.namespace,
        },
    }
    await kubernetes.admin.create(f"/apis/events.k8s.io/v1/namespaces/{kubernetes.namespace}/events", body)
    (event,) = [one for one in await kubernetes.events("web") if one["reason"] == "SuccessfulRescale"]
    assert (event["message"], event["reportingComponent"]) == ("New size: 3", "tidegate.dev/scaler")
    selected = await kubernetes.admin.get(
        f"/apis/events.k8s.io/v1/namespaces/{kubernetes.namespace}/events", fieldSelector="regarding.name=web"
    )
    assert "New size: 3" in [one.get("note") for one in selected["items"]]


@pytest.mark.parametrize(
    "missing", ["eventTime", "reportingController", "reportingInstance", "action", "reason", "type"]
)
async def test_an_event_of_the_newer_group_must_say_who_did_what(kubernetes: Cluster, missing: str) -> None:
    body = {
        "metadata": {"name": "web.1"},
        "eventTime": "2026-12-05T10:00:00.123456Z",
        "reportingController": "tidegate.dev/scaler",
        "reportingInstance": "scaler-1",
        "action": "Rescale",
        "reason": "SuccessfulRescale",
        "type": "Normal",
        "regarding": {"kind": "Deployment", "name": "web", "namespace": kubernetes.namespace},
    }
    del body[missing]
    with pytest.raises(Refused, match=f"422: .*{missing}"):
        await kubernetes.admin.create(
            f"/apis/events.k8s.io/v1/namespaces/{kubernetes.namespace}/events", body
        )


async def test_discovery_tells_where_a_kind_is_served(kubernetes: Cluster) -> None:
    groups = await kubernetes.admin.get("/apis")
    assert "apps/v1" in [group["preferredVersion"]["groupVersion"] for group in groups["groups"]]
    apps = await kubernetes.admin.get("/apis/apps/v1")
    resources = {entry["name"]: entry for entry in apps["resources"]}
    assert resources["deployments"]["kind"] == "Deployment"
    assert {"get", "patch", "update"} <= set(resources["deployments/scale"]["verbs"])
    assert resources["deployments/scale"]["group"] == "autoscaling"
    with pytest.raises(Refused, match="404"):
        await kubernetes.admin.get("/apis/example.com/v1")
