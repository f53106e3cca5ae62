"""Where the API server is and who we are to it: service accounts, kubeconfigs, and tokens which are replaced in use."""

import json
from pathlib import Path
from typing import Any

import pytest

from autoscaler.clock import SystemClock
from autoscaler.errors import ConfigurationError, Unauthorized, Unreachable
from autoscaler.kubernetes.access import KubeconfigAccess, ServiceAccountAccess, find_access
from autoscaler.kubernetes.client import KubernetesClient
from tests.autoscaler.kubernetes_api.certificates import make_certificates
from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little, real

__all__ = ["kubernetes", "little", "real"]

NAMESPACES = "/api/v1/namespaces"


def mount(folder: Path, cluster: Cluster, token: str) -> tuple[Path, dict[str, str]]:
    """Lay out a service account as Kubernetes mounts it; returns the folder and the pod's environment."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token + "\n")
    (folder / "ca.crt").write_bytes(cluster.authority.read_bytes())
    (folder / "namespace").write_text(cluster.namespace)
    host, port = cluster.address.removeprefix("https://").split(":")
    return folder, {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def write_kubeconfig(path: Path, cluster: Cluster, user: dict[str, Any]) -> Path:
    document = json.loads(cluster.kubeconfig("none").read_text())
    document["users"][0]["user"] = user
    path.write_text(json.dumps(document))
    return path


async def names(access: Any) -> set[str]:
    client = KubernetesClient(access, SystemClock())
    try:
        return {item["metadata"]["name"] for item in (await client.get(NAMESPACES))["items"]}
    finally:
        await client.close()


async def test_a_pod_speaks_as_its_service_account(kubernetes: Cluster, tmp_path: Path) -> None:
    folder, environment = mount(tmp_path / "account", kubernetes, await kubernetes.admin_token())
    access = find_access(None, service_account=folder, environment=environment)
    assert isinstance(access, ServiceAccountAccess)
    assert access.namespace == kubernetes.namespace
    assert kubernetes.namespace in await names(access)


async def test_a_kubeconfig_names_cluster_user_and_namespace(kubernetes: Cluster) -> None:
    access = find_access(kubernetes.kubeconfig(await kubernetes.admin_token()))
    assert access.namespace == kubernetes.namespace
    assert kubernetes.namespace in await names(access)


async def test_a_kubeconfig_may_have_the_token_in_a_file_of_its_own(
    kubernetes: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(await kubernetes.admin_token() + "\n")
    config = write_kubeconfig(tmp_path / "config", kubernetes, {"tokenFile": str(tmp_path / "token")})
    assert kubernetes.namespace in await names(KubeconfigAccess(config))


async def test_a_kubeconfig_may_ask_a_plugin(kubernetes: Cluster, tmp_path: Path) -> None:
    token = await kubernetes.admin_token()
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [json.dumps(credential)],
        "interactiveMode": "Never",
    }
    config = write_kubeconfig(tmp_path / "config", kubernetes, {"exec": plugin})
    assert kubernetes.namespace in await names(KubeconfigAccess(config))


async def test_a_replaced_token_is_used_without_a_restart(little: Cluster, tmp_path: Path) -> None:
    old = await little.admin_token()
    folder, environment = mount(tmp_path / "account", little, old)
    client = KubernetesClient(ServiceAccountAccess(folder, environment), SystemClock())
    try:
        await client.get(NAMESPACES)
        (folder / "token").write_text(await little.token("admin"))
        little.server.access.revoke(old)
        await client.get(NAMESPACES)
    finally:
        await client.close()


async def test_a_token_that_is_not_taken_is_told_without_being_shown(
    kubernetes: Cluster, tmp_path: Path
) -> None:
    folder, environment = mount(tmp_path / "account", kubernetes, "not-a-token")
    with pytest.raises(Unauthorized) as caught:
        await names(ServiceAccountAccess(folder, environment))
    assert "not-a-token" not in str(caught.value)


async def test_a_token_which_no_header_can_carry_is_not_shown(little: Cluster, tmp_path: Path) -> None:
    folder, environment = mount(tmp_path / "account", little, "secret\r\nX-Evil: 1")
    with pytest.raises(Unreachable, match="the token cannot be sent as a header") as caught:
        await names(ServiceAccountAccess(folder, environment))
    assert "secret" not in str(caught.value)


async def test_a_token_file_that_is_gone_is_told_by_its_name(little: Cluster, tmp_path: Path) -> None:
    folder, environment = mount(tmp_path / "account", little, "token")
    access = ServiceAccountAccess(folder, environment)
    (folder / "token").unlink()
    with pytest.raises(Unreachable, match=r"credentials: .*/account/token cannot be read"):
        await names(access)


def test_a_named_kubeconfig_counts_before_the_service_account(little: Cluster, tmp_path: Path) -> None:
    folder, environment = mount(tmp_path / "account", little, "token")
    kubeconfig = little.kubeconfig("token")
    found = find_access(kubeconfig, service_account=folder, environment=environment)
    assert isinstance(found, KubeconfigAccess)
    found = find_access(
        None, service_account=folder, environment={**environment, "KUBECONFIG": str(kubeconfig)}
    )
    assert isinstance(found, ServiceAccountAccess)


def test_without_a_pod_the_usual_kubeconfig_is_taken(little: Cluster, tmp_path: Path) -> None:
    kubeconfig = little.kubeconfig("token")
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text(kubeconfig.read_text())
    for environment in ({"KUBECONFIG": str(kubeconfig)}, {"HOME": str(home)}):
        found = find_access(None, service_account=tmp_path / "none", environment=environment)
        assert found.namespace == little.namespace


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "there is no such file", id="missing"),
        pytest.param("clusters: [", "while parsing a flow node", id="not YAML"),
        pytest.param("[]", "kubeconfig", id="not a mapping"),
        pytest.param("{clusters: [], users: [], contexts: []}", "current-context", id="empty"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "config"
    if text:
        path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        find_access(path)
    assert str(caught.value).startswith(f"kubeconfig {path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_context_is_refused(little: Cluster) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        find_access(little.kubeconfig("token"), "nowhere")


def test_nothing_at_all_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no Kubernetes cluster is known: give --kubeconfig FILE"):
        find_access(None, service_account=tmp_path, environment={"HOME": str(tmp_path)})


async def test_a_server_that_nobody_runs_is_unreachable(little: Cluster) -> None:
    access = KubeconfigAccess(little.kubeconfig("token"))
    await little.server.stop()
    with pytest.raises(Unreachable, match=r"^API server https://127\.0\.0\.1:\d+: Connection refused$"):
        await names(access)


def mount_with_other_authority(folder: Path, cluster: Cluster) -> tuple[Path, dict[str, str]]:
    """A service account whose CA has not signed the server's certificate."""
    other = folder / "other"
    other.mkdir(parents=True)
    mounted, environment = mount(folder / "account", cluster, "token")
    (mounted / "ca.crt").write_bytes(make_certificates(other).authority.read_bytes())
    return mounted, environment


async def test_a_server_with_another_certificate_is_not_spoken_to(little: Cluster, tmp_path: Path) -> None:
    access = ServiceAccountAccess(*mount_with_other_authority(tmp_path, little))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        await names(access)


async def test_replaced_certificates_are_used_without_a_restart(little: Cluster, tmp_path: Path) -> None:
    folder, environment = mount_with_other_authority(tmp_path, little)
    client = KubernetesClient(ServiceAccountAccess(folder, environment), SystemClock())
    try:
        with pytest.raises(Unreachable):
            await client.get(NAMESPACES)
        mount(folder, little, await little.admin_token())
        await client.get(NAMESPACES)
    finally:
        await client.close()
