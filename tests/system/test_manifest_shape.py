"""What the manifests are made of: which objects, how pods are asked, ended and spread, and who may reach whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.manifests import FOLDER, OVERLAYS, built, of_kind
from tests.system.test_manifests import pods, with_component
from tidegate.reference.endpoints import SCALER_ROUTES
from waitingroom.web.routetable import ROUTES

HOME, SHOP, QUEUE, SCALER, STORE = "tidegate", "shop", "tidegate-queue", "tidegate-scaler", "tidegate-valkey"
BASE = {
    ("Namespace", "", HOME),
    *(("ConfigMap", HOME, name) for name in ("tidegate-onsales", "tidegate-rules")),
    *(("Service", HOME, name) for name in ("tidegate", SCALER)),
    *((kind, HOME, name) for kind in ("ServiceAccount", "Deployment", "PodDisruptionBudget") for name in (QUEUE, SCALER)),
    *((kind, HOME, "tidegate-scaler-leader") for kind in ("Role", "RoleBinding")),
    *((kind, where, "tidegate-scaler-targets") for kind in ("Role", "RoleBinding") for where in (HOME, SHOP)),
    *(("NetworkPolicy", HOME, name) for name in ("tidegate-nothing", "tidegate-names", QUEUE, SCALER)),
}  # fmt: skip
ONLY: dict[str, set[tuple[str, str, str]]] = {
    "prod": set(),
    "dev": {
        ("Secret", HOME, "tidegate-store"),
        *((kind, HOME, STORE) for kind in ("Deployment", "Service", "NetworkPolicy")),
    },
}
PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
SERVED = {
    QUEUE: {(route.method, route.path) for route in ROUTES},
    SCALER: {tuple(route.split(" ")) for route, _ in SCALER_ROUTES},
}
GATE, METRICS = "namespaces tidegate.dev/gate=true", "namespaces tidegate.dev/metrics=true"
NAMES = "namespaces kubernetes.io/metadata.name=kube-system"
WAYS = {
    ("*", "to", NAMES, "53/UDP"),
    ("*", "to", NAMES, "53"),
    *((QUEUE, "from", who, "http") for who in (GATE, METRICS, f"pods {SCALER}")),
    *((QUEUE, "to", "anything", port) for port in ("6379", "26379", "443")),
    (SCALER, "from", METRICS, "http"),
    *((SCALER, "to", "anything", port) for port in ("6379", "26379", "443", "6443")),
    (SCALER, "to", METRICS, "9090"),
    (SCALER, "to", f"pods {QUEUE}", "8080"),
    (SCALER, "to", "namespaces kubernetes.io/metadata.name=shop", "1024-65535"),
}
STORE_WAYS = {(STORE, "from", f"pods {who}", "store") for who in (QUEUE, SCALER)}
CONSOLE_WAYS = {(SCALER, "from", "namespaces tidegate.dev/console=true", "http")}


def ways(policies: dict[tuple[str, str], dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield what policies open: whose pods, from or to, the other end, and the port."""
    for policy in policies.values():
        spec = policy["spec"]
        whose = spec["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name", "*")
        for field, word in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(field, ()):
                for peer in rule.get(word, ({},)):
                    for port in rule.get("ports", ({},)):
                        yield whose, word, other_end(peer), port_of(port)


def other_end(peer: dict[str, Any]) -> str:
    """Name one end of a way; what is not of the forms that stand in the manifests is given as it is."""
    match peer:
        case {} if not peer:
            return "anything"
        case {"namespaceSelector": {"matchLabels": labels}} if len(peer) == len(labels) == 1:
            ((label, value),) = labels.items()
            return f"namespaces {label}={value}"
        case {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name, **rest}}} if (
            len(peer) == 1 and not rest
        ):
            return f"pods {name}"
        case _:
            return str(peer)


def port_of(port: dict[str, Any]) -> str:
    """Name a port, with its end where it is a range, and its protocol where that is not TCP."""
    end = f"-{port['endPort']}" if "endPort" in port else ""
    protocol = "" if port.get("protocol", "TCP") == "TCP" else f"/{port['protocol']}"
    return f"{port.get('port', 'all')}{end}{protocol}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_these_objects_and_no_others(overlay: str) -> None:
    found = [
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
        for each in built(overlay)
    ]
    assert sorted(found) == sorted(BASE | ONLY[overlay])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_for_pages_that_are_served(overlay: str) -> None:
    for name in (QUEUE, SCALER):
        (container,) = pods(overlay)[name]["containers"]
        for probe, path in PROBES.items():
            assert container[probe]["httpGet"] == {"path": path, "port": "http"}, (name, probe)
            assert ("GET", path) in SERVED[name]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_scaler_leads_and_another_takes_over(overlay: str) -> None:
    assert of_kind(built(overlay), "Deployment")[HOME, SCALER]["spec"]["replicas"] == 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_room_is_ended_when_no_proxy_asks_it_any_more_and_another_is_up(overlay: str) -> None:
    spec = of_kind(built(overlay), "Deployment")[HOME, QUEUE]["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    assert pod["terminationGracePeriodSeconds"] == 30, (
        "the pause counts as well; the rest is for open requests"
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_drained_one_at_a_time_and_spread_over_zones_and_nodes(overlay: str) -> None:
    objects = built(overlay)
    for name in (QUEUE, SCALER):
        own = {"matchLabels": {"app.kubernetes.io/name": name}}
        budget = of_kind(objects, "PodDisruptionBudget")[HOME, name]["spec"]
        assert budget == {"maxUnavailable": 1, "selector": own}
        strict = overlay == "prod" and name == QUEUE
        assert pods(overlay)[name]["topologySpreadConstraints"] == [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": when,
                "labelSelector": own,
            }
            for key, when in (
                ("topology.kubernetes.io/zone", "DoNotSchedule" if strict else "ScheduleAnyway"),
                ("kubernetes.io/hostname", "ScheduleAnyway"),
            )
        ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_reached_but_what_is_named(overlay: str) -> None:
    policies = of_kind(built(overlay), "NetworkPolicy")
    assert policies[HOME, "tidegate-nothing"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    found = list(ways(policies))
    assert sorted(found) == sorted(WAYS | (STORE_WAYS if overlay == "dev" else set()))


def test_the_console_opens_one_way_more(tmp_path: Path) -> None:
    overlay = os.path.relpath(FOLDER / "overlays" / "prod", tmp_path.resolve())
    policies = of_kind(with_component("console", tmp_path, f"resources: [{overlay}]\n"), "NetworkPolicy")
    assert set(ways(policies)) == WAYS | CONSOLE_WAYS
