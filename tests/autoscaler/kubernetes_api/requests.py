"""What a request asks for, as authorisation sees it. Source: apiserver `pkg/endpoints/request/requestinfo.go`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.autoscaler.kubernetes_api.selection import exact_name

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the verb and what it is about; `path` alone for one that is about no resource."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def about_resource(self) -> bool:
        return bool(self.resource)

    @property
    def right(self) -> tuple[str, str, str, str, str]:
        """What a role must grant for it: (verb, group, resource, subresource, namespace)."""
        return (self.verb, self.group, self.resource, self.subresource, self.namespace)


def asked(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """Read method, path and query."""
    parts = [part for part in path.split("/") if part]
    plain = Asked(method.lower(), path)
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return plain
    if parts[0] == "apis":
        if len(parts) < 4:
            return plain
        group, version, *rest = parts[1:]
    else:
        group, version, rest = "", parts[1], parts[2:]
    verb, namespace = _VERBS.get(method, ""), ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    if not name and verb == "get":
        verb = "watch" if is_true(query.get("watch")) else "list"
        name = exact_name(query.get("fieldSelector", ""))
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Asked(verb, path, group, version, resource, subresource, namespace, name)


def is_true(text: str | None) -> bool:
    """Read a boolean of a query as the real server does: everything but nothing, `0` and `false` means yes."""
    return text is not None and text.lower() not in ("", "0", "false")
