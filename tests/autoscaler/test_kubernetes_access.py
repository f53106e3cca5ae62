"""Who may what in a Kubernetes API, asked of the little server and, where one is named, of a real one."""

from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real
from tests.autoscaler.kubernetes_api.patches import MERGE
from tests.autoscaler.kubernetes_api.statuses import Json

__all__ = ["kubernetes", "little", "real"]

READ: Json = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]}


async def test_nobody_gets_in_with_a_token_that_is_not_known(kubernetes: Cluster) -> None:
    reply = await kubernetes.admin.speaking_as("nonsense").ask("GET", kubernetes.path("Deployment"))
    assert (reply.code, reply.body["reason"], reply.body["message"]) == (401, "Unauthorized", "Unauthorized")


async def test_without_a_token_one_is_anonymous_and_may_nothing(kubernetes: Cluster) -> None:
    reply = await kubernetes.admin.speaking_as(None).ask("GET", kubernetes.path("Deployment"))
    assert reply.code == 403
    assert (
        'User "system:anonymous" cannot list resource "deployments" in API group "apps"'
        in reply.body["message"]
    )


async def test_an_account_may_what_its_role_grants_and_no_more(kubernetes: Cluster) -> None:
    reader = kubernetes.admin.speaking_as(await kubernetes.account("reader", [READ]))
    await kubernetes.deploy("web", 1)
    assert (await reader.ask("GET", kubernetes.path("Deployment", "web"))).code == 200
    reply = await reader.ask("GET", kubernetes.path("Deployment", "web", "scale"))
    where = f'in API group "apps" in the namespace "{kubernetes.namespace}"'
    who = f"system:serviceaccount:{kubernetes.namespace}:reader"
    assert (reply.code, reply.body["reason"]) == (403, "Forbidden")
    assert reply.body["message"] == (
        f'deployments.apps "web" is forbidden: User "{who}" cannot get resource "deployments/scale" {where}'
    )
    assert reply.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


async def test_a_role_of_one_namespace_counts_for_nothing_in_another(kubernetes: Cluster) -> None:
    reader = kubernetes.admin.speaking_as(await kubernetes.account("reader", [READ]))
    assert (await reader.ask("GET", kubernetes.path("Deployment"))).code == 200
    reply = await reader.ask("GET", "/apis/apps/v1/deployments")
    assert reply.code == 403
    assert reply.body["message"].endswith("at the cluster scope")


async def test_a_right_can_be_for_named_objects_only(kubernetes: Cluster) -> None:
    rule = {
        "apiGroups": ["apps"],
        "resources": ["deployments/scale"],
        "resourceNames": ["web"],
        "verbs": ["*"],
    }
    scaler = kubernetes.admin.speaking_as(await kubernetes.account("scaler", [rule]))
    for name in ("web", "other"):
        await kubernetes.deploy(name, 1)
    body = {"spec": {"replicas": 2}}
    mine, other = (kubernetes.path("Deployment", name, "scale") for name in ("web", "other"))
    assert (await scaler.ask("PATCH", mine, body, kind=MERGE)).code == 200
    assert (await scaler.ask("PATCH", other, body, kind=MERGE)).code == 403


async def test_everyone_known_may_discover(kubernetes: Cluster) -> None:
    nobody = kubernetes.admin.speaking_as(await kubernetes.account("nobody", []))
    for path in ("/version", "/api", "/apis", "/apis/apps/v1"):
        assert (await nobody.ask("GET", path)).code == 200


async def test_an_account_can_ask_what_it_may(kubernetes: Cluster) -> None:
    reader = kubernetes.admin.speaking_as(await kubernetes.account("reader", [READ]))
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async def may(verb: str, subresource: str) -> bool:
        about = {"group": "apps", "resource": "deployments", "namespace": kubernetes.namespace}
        attributes = {**about, "verb": verb, "subresource": subresource}
        body = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
        reply = await reader.ask("POST", path, {**body, "spec": {"resourceAttributes": attributes}})
        assert reply.code == 201
        allowed: bool = reply.body["status"]["allowed"]
        return allowed

    assert await may("get", "")
    assert not await may("update", "scale")


async def test_the_little_server_remembers_what_was_asked(little: Cluster) -> None:
    user = little.admin.speaking_as(await little.account("scaler"))
    await little.deploy("web", 1)
    await user.merge(little.path("Deployment", "web", "scale"), {"spec": {"replicas": 2}})
    await user.get(little.path("Deployment"))
    assert little.server.access.rights(f"system:serviceaccount:{little.namespace}:scaler") == {
        ("patch", "apps", "deployments", "scale", little.namespace),
        ("list", "apps", "deployments", "", little.namespace),
    }


async def test_a_revoked_token_of_the_little_server_counts_no_longer(little: Cluster) -> None:
    token = await little.account("scaler")
    little.server.access.revoke(token)
    assert (await little.admin.speaking_as(token).ask("GET", little.path("Deployment"))).code == 401
    fresh = await little.token("scaler")
    assert (await little.admin.speaking_as(fresh).ask("GET", little.path("Deployment"))).code == 200
