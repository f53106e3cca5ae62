"""What the scaler relies on in a Kubernetes API, asked of the little server and, where one is named, of a real one."""

from tests.autoscaler.kubernetes_api.cluster import Cluster
from tests.autoscaler.kubernetes_api.fixtures import kubernetes, little

__all__ = ["kubernetes", "little"]


async def test_a_deployment_is_scaled_by_its_subresource(kubernetes: Cluster) -> None:
    await kubernetes.deploy("web", 2)
    await kubernetes.until_ready("web", 2)
    scale = await kubernetes.admin.get(kubernetes.path("Deployment", "web", "scale"))
    assert scale["kind"] == "Scale"
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"]["selector"] == "app=web"
    scale["spec"]["replicas"] = 3
    written = await kubernetes.admin.replace(kubernetes.path("Deployment", "web", "scale"), scale)
    assert written["spec"] == {"replicas": 3}
    assert written["metadata"]["resourceVersion"] != scale["metadata"]["resourceVersion"]
    await kubernetes.until_ready("web", 3)
    assert len(await kubernetes.pods("web")) == 3
