"""The documents by which clients find out what is served.

Source: apiserver `pkg/endpoints/discovery`. The aggregated form is not served, and clients which ask for it fall back.
"""

from __future__ import annotations

from tests.autoscaler.kubernetes_api.kinds import Registry, Resource
from tests.autoscaler.kubernetes_api.statuses import Json

VERSION: Json = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-08-27T10:17:00Z",
    "goVersion": "go1.24.5",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def document(registry: Registry, path: str, address: str) -> Json | None:
    """Return the document at a path, None where none is."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["version"]:
            return VERSION
        case ["api"]:
            server = {"clientCIDR": "0.0.0.0/0", "serverAddress": address}
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [server]}
        case ["api", version]:
            return _resources(registry, "", version)
        case ["apis"]:
            groups = [_group(registry, name) for name in _groups(registry)]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in _groups(registry):
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, group)}
        case ["apis", group, version]:
            return _resources(registry, group, version)
    return None


def _groups(registry: Registry) -> list[str]:
    return list(dict.fromkeys(one.group for one in registry if one.group))


def _group(registry: Registry, name: str) -> Json:
    versions = dict.fromkeys(one.version for one in registry if one.group == name)
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(registry: Registry, group: str, version: str) -> Json | None:
    found = [one for one in registry if (one.group, one.version) == (group, version)]
    if not found:
        return None
    resources = [entry for one in found for entry in _entries(one)]
    group_version = found[0].group_version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _entries(resource: Resource) -> list[Json]:
    base = {"singularName": "", "namespaced": resource.namespaced}
    entry = base | {
        "name": resource.plural,
        "singularName": resource.singular,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    entries = [entry]
    some = ["get", "patch", "update"]
    if resource.scale is not None:
        scale = {"name": f"{resource.plural}/scale", "group": "autoscaling", "version": "v1", "kind": "Scale"}
        entries.append(base | scale | {"verbs": some})
    if resource.status:
        entries.append(base | {"name": f"{resource.plural}/status", "kind": resource.kind, "verbs": some})
    if resource.kind == "ServiceAccount":
        token = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
        entries.append(base | {"name": "serviceaccounts/token", "verbs": ["create"]} | token)
    return entries
