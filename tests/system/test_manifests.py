"""The Kubernetes manifests: valid, restricted, consistent with the command line, the documents and the pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main

from rulebook import load_text
from tests.system.manifests import FOLDER, OVERLAYS, ROOT, built, of_kind, read_all
from tests.tools import need
from tidegate.cli import app
from tidegate.prometheus_rules import wrapped

WORKLOADS = ("Deployment", "StatefulSet")
GATES = sorted((FOLDER / "gates").rglob("*.yaml"))
# What the restricted level of the Pod Security Standards allows of capabilities and volumes (Kubernetes 1.25 and later).
ALLOWED_CAPABILITIES = {"NET_BIND_SERVICE"}
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """Return the pod templates by the names of their workloads."""
    objects = built(overlay)
    return {
        name: workload["spec"]["template"]["spec"]
        for kind in WORKLOADS
        for (_, name), workload in of_kind(objects, kind).items()
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str) -> None:
    objects = built(overlay)
    assert len(objects) > 15
    for found in objects:
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("path", GATES, ids=lambda path: path.parent.name)
def test_every_built_in_object_of_the_gates_is_valid(path: Path) -> None:
    for found in read_all(path.read_text()):
        if found["apiVersion"] in ("v1", "networking.k8s.io/v1"):
            kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what the restricted level refuses of a pod."""
    found = [f"{name} must not be set" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", ()):
        found += [f"volume of type {kind}" for kind in volume.keys() - {"name"} - ALLOWED_VOLUMES]
    outer = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        inner, name = container.get("securityContext", {}), container["name"]
        capabilities = inner.get("capabilities", {})
        both = {**outer, **inner}
        checks = {
            "privileged": not inner.get("privileged"),
            "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser", 1) != 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": "ALL" in capabilities.get("drop", ()),
            "capabilities.add": set(capabilities.get("add", ())) <= ALLOWED_CAPABILITIES,
            "procMount": inner.get("procMount", "Default") == "Default",
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        }
        found += [f"{name}: {check}" for check, kept in checks.items() if not kept]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_keep_to_the_restricted_level_and_a_root_that_is_read_only(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        assert violations(pod) == [], name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["readinessProbe"]
            assert container["livenessProbe"]
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]
    namespace = of_kind(built(overlay), "Namespace")["", "tidegate"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_check_of_the_restricted_level_finds_what_it_refuses() -> None:
    bare = {
        "containers": [{"name": "a", "securityContext": {"privileged": True}, "ports": [{"hostPort": 1}]}]
    }
    assert violations({**bare, "hostNetwork": True, "volumes": [{"name": "v", "hostPath": {}}]}) == [
        "hostNetwork must not be set",
        "volume of type hostPath",
        "a: privileged",
        "a: allowPrivilegeEscalation",
        "a: runAsNonRoot",
        "a: seccompProfile",
        "a: capabilities.drop",
        "a: hostPort",
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_arguments_and_variables_are_those_of_the_command_line(overlay: str) -> None:
    root: Any = typer.main.get_command(app)
    for name in ("tidegate-queue", "tidegate-scaler"):
        (container,) = pods(overlay)[name]["containers"]
        group, command, *arguments = container["args"]
        options = root.commands[group].commands[command].params
        flags = {flag for option in options for flag in option.opts}
        variables = {option.envvar for option in options if isinstance(option.envvar, str)}
        assert {argument for argument in arguments if argument.startswith("--")} <= flags
        assert {variable["name"] for variable in container["env"]} <= variables
        given = {variable["name"] for variable in container["env"]}
        assert {option.envvar for option in options if option.required} <= given


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_ports_and_mounts_meet(overlay: str) -> None:
    objects = built(overlay)
    deployments = of_kind(objects, "Deployment")
    labels = [found["spec"]["template"]["metadata"]["labels"] for found in deployments.values()]
    ports = {
        port["name"]
        for pod in pods(overlay).values()
        for container in pod["containers"]
        for port in container["ports"]
    }
    selectors = [found["spec"]["selector"] for found in of_kind(objects, "Service").values()]
    for kind in ("PodDisruptionBudget", "Deployment"):
        selectors += [found["spec"]["selector"]["matchLabels"] for found in of_kind(objects, kind).values()]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    for service in of_kind(objects, "Service").values():
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    made = {name for kind in ("ConfigMap", "Secret") for (_, name) in of_kind(objects, kind)}
    by_hand = {"tidegate-keys", "tidegate-admin", "tidegate-store"}
    for pod in pods(overlay).values():
        for volume in pod.get("volumes", ()):
            wanted = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
            assert wanted is None or wanted in made | by_hand
    page = (ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md").read_text()
    assert all(name in page for name in by_hand)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_stands_in_the_manifests(overlay: str) -> None:
    secrets = of_kind(built(overlay), "Secret")
    assert set(secrets) == ({("tidegate", "tidegate-store")} if overlay == "dev" else set())


def test_the_documents_load_and_lint_and_the_queue_scales_itself() -> None:
    rules = {}
    for (_, name), found in of_kind(built("prod"), "ConfigMap").items():
        for file, text in found["data"].items():
            documents = load_text(text, f"{name}/{file}")
            rules |= documents.rules
    queue = rules["queue"].spec.target
    assert ("tidegate", queue.name) in of_kind(built("prod"), "Deployment")
    assert "replicas" not in of_kind(built("prod"), "Deployment")["tidegate", queue.name]["spec"]


@pytest.mark.parametrize("command", ["lint", "test"])
def test_the_documents_pass_the_commands_that_the_page_names(command: str) -> None:
    page = (ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md").read_text()
    line = f"tidegate rules {command} deploy/kubernetes/base/rules deploy/kubernetes/base/onsales"
    assert line in page.splitlines()
    arguments = [sys.executable, "-m", *line.split()]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {"lint": "0 findings", "test": "3 tests, none failed"}[command] in result.stdout


def test_the_tests_of_rules_are_not_shipped() -> None:
    shipped = [
        text for found in of_kind(built("prod"), "ConfigMap").values() for text in found["data"].values()
    ]
    assert shipped
    assert not any("kind: RuleTest" in text for text in shipped)


def test_the_operators_rules_are_those_that_are_tested() -> None:
    sources = [ROOT / "deploy" / "prometheus" / name for name in ("recording.yaml", "alerts.yaml")]
    made = (FOLDER / "components" / "prometheus" / "rules.yaml").read_text()
    assert made == wrapped([source.read_text() for source in sources]), "run `make prometheus-rules`"
    (found,) = read_all(made)
    groups = [group for source in sources for group in read_all(source.read_text())[0]["groups"]]
    assert found["spec"]["groups"] == groups


def with_component(name: str, folder: Path, more: str = "") -> list[dict[str, Any]]:
    """Build a component as an overlay would add it; `more` stands in its kustomization too."""
    component = os.path.relpath(FOLDER / "components" / name, folder.resolve())
    (folder / "kustomization.yaml").write_text(
        f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\ncomponents: [{component}]\n{more}"
    )
    result = subprocess.run([need("kubectl"), "kustomize", str(folder)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return read_all(result.stdout)


def test_no_overlay_has_a_custom_resource() -> None:
    for overlay in OVERLAYS:
        groups = {found["apiVersion"].rpartition("/")[0] for found in built(overlay)}
        assert groups <= {"", "apps", "policy", "networking.k8s.io", "rbac.authorization.k8s.io"}


def test_the_prometheus_component_scrapes_our_services_and_takes_a_release_label(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "deploy-on-kubernetes.md").read_text()
    labels = page[page.index("\nlabels:\n") + 1 :].partition("```")[0]
    found = with_component("prometheus", tmp_path, labels)
    assert {each["kind"] for each in found} == {"ServiceMonitor", "PrometheusRule"}
    assert all(each["metadata"]["labels"] == {"release": "kube-prometheus-stack"} for each in found)
    services = of_kind(built("prod"), "Service").values()
    monitors = of_kind(found, "ServiceMonitor")
    assert len(monitors) == 2
    for (namespace, _), monitor in monitors.items():
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = (each for each in services if wanted.items() <= each["metadata"]["labels"].items())
        assert service["metadata"]["namespace"] == namespace
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_the_dashboards_are_found_by_grafanas_sidecar(tmp_path: Path) -> None:
    found = with_component("grafana", tmp_path)
    dashboards = {
        path.name: path.read_text() for path in (ROOT / "deploy" / "grafana" / "dashboards").iterdir()
    }
    assert {name: text for each in found for name, text in each["data"].items()} == dashboards
    for each in found:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
        assert each["metadata"]["namespace"] == "tidegate"
        assert each["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert len(json.dumps(each)) < 256 * 1024, "what `kubectl apply` can keep of an object"


def test_the_gates_say_what_the_page_on_gates_says() -> None:
    page = (ROOT / "docs" / "how-to" / "gate.md").read_text()
    on_page = [
        found
        for block in page.split("```yaml\n")[1:]
        for found in read_all(block.split("```")[0])
        if found.get("kind") in ("Ingress", "Middleware")
    ]
    written = [found for path in GATES for found in read_all(path.read_text())]
    for found in on_page:
        kind, name = found["kind"], found["metadata"]["name"]
        (same,) = (each for each in written if (each["kind"], each["metadata"]["name"]) == (kind, name))
        assert same["spec"] == found["spec"], name
        assert same["metadata"].get("annotations") == found["metadata"].get("annotations"), name
    for path in GATES:
        routed = re.search(r"Path\(`/cactus`\)|path: /cactus,|PathPrefix, value: /cactus}", path.read_text())
        assert routed, f"{path}: the page's address without its slash leads nowhere"
        assert "/.tidegate/" in path.read_text(), f"{path}: buyers from another domain could not come in"
        assert "/metrics" not in "\n".join(
            line for line in path.read_text().splitlines() if not line.startswith("#")
        )
