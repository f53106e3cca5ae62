"""Who asks, and whether they may: bearer tokens, and the roles and bindings that are stored in the server.

Sources: kubernetes/kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go` and `pkg/apis/rbac/v1/evaluation_helpers.go`; apiserver
`pkg/endpoints/handlers/responsewriters/errors.go` for what is answered; `system:discovery`, `system:basic-user` and
`system:public-info-viewer` of `bootstrappolicy/policy.go` for what everyone may.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from tests.autoscaler.kubernetes_api.kinds import BUILT_IN
from tests.autoscaler.kubernetes_api.requests import Asked
from tests.autoscaler.kubernetes_api.statuses import ApiError, Json, forbidden, unauthorized
from tests.autoscaler.kubernetes_api.storage import Storage

_RBAC = {one.kind: one for one in BUILT_IN if one.group == "rbac.authorization.k8s.io"}
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_PUBLIC)


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))


def service_account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


class Access:
    """The tokens of a server, its roles, and the record of everything that was asked."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._users: dict[str, User] = {}
        self.record: list[tuple[User, Asked]] = []

    def issue(self, user: User) -> str:
        """Make a token."""
        token = secrets.token_urlsafe(24)
        self._users[token] = user
        return token

    def revoke(self, token: str) -> None:
        """Know a token no longer, as if it had run out."""
        self._users.pop(token, None)

    def identify(self, authorization: str | None) -> User:
        """Return who bears the token.

        Raises:
            ApiError: nobody known (401).
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def check(self, user: User, wanted: Asked) -> None:
        """Record what is asked, and see that it may be.

        Raises:
            ApiError: it may not (403).
        """
        self.record.append((user, wanted))
        if not self.allows(user, wanted):
            raise _refusal(user, wanted)

    def allows(self, user: User, wanted: Asked) -> bool:
        """Tell whether a role grants it."""
        if "system:masters" in user.groups:
            return True
        known = "system:authenticated" in user.groups
        if known and wanted.verb == "create" and wanted.resource == "selfsubjectaccessreviews":
            return True
        if not wanted.about_resource:
            open_paths = _DISCOVERY if known else _PUBLIC
            if wanted.verb == "get" and _path_matches(open_paths, wanted.path):
                return True
        return any(_grants(rule, wanted) for rule in self._rules(user, wanted.namespace))

    def rights(self, user: str = "") -> set[tuple[str, str, str, str, str]]:
        """Return what was asked of resources, by whom is named or by anyone: (verb, group, resource, subresource, namespace)."""
        return {
            wanted.right
            for who, wanted in self.record
            if wanted.about_resource and (not user or who.name == user)
        }

    def _rules(self, user: User, namespace: str) -> Iterable[Json]:
        for binding in self._storage.list(_RBAC["ClusterRoleBinding"]):
            if _names(binding, user):
                yield from self._role_rules(binding["roleRef"], "")
        if namespace:
            for binding in self._storage.list(_RBAC["RoleBinding"], namespace):
                if _names(binding, user):
                    yield from self._role_rules(binding["roleRef"], namespace)

    def _role_rules(self, reference: Json, namespace: str) -> list[Json]:
        kind = reference["kind"]
        role = self._storage.get(_RBAC[kind], namespace if kind == "Role" else "", reference["name"])
        return [] if role is None else role.get("rules") or []


def _names(binding: Json, user: User) -> bool:
    for subject in binding.get("subjects") or []:
        match subject["kind"]:
            case "User" if subject["name"] == user.name:
                return True
            case "Group" if subject["name"] in user.groups:
                return True
            case "ServiceAccount":
                namespace = subject.get("namespace", binding["metadata"].get("namespace", ""))
                if user.name == service_account(namespace, subject["name"]).name:
                    return True
    return False


def _grants(rule: Json, wanted: Asked) -> bool:
    verbs = rule.get("verbs") or []
    if wanted.verb not in verbs and "*" not in verbs:
        return False
    if not wanted.about_resource:
        return _path_matches(tuple(rule.get("nonResourceURLs") or ()), wanted.path)
    groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
    names = rule.get("resourceNames") or []
    whole = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    among = {whole, "*"} | ({f"*/{wanted.subresource}"} if wanted.subresource else set())
    return (
        (wanted.group in groups or "*" in groups)
        and not among.isdisjoint(resources)
        and (not names or wanted.name in names)
    )


def _path_matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(
        path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])) for pattern in patterns
    )


def _refusal(user: User, wanted: Asked) -> ApiError:
    if not wanted.about_resource:
        return forbidden("", "", "", f'User "{user.name}" cannot {wanted.verb} path "{wanted.path}"')
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    why = (
        f'User "{user.name}" cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {where}'
    )
    return forbidden(wanted.group, wanted.resource, wanted.name, why)
