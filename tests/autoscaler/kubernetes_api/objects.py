"""Create, read, change and delete objects: what the generic registry does between a request and the store. It knows no HTTP.

Sources: apiserver `pkg/registry/generic/registry/store.go`, `pkg/registry/rest/{create,update,meta,delete}.go`,
`pkg/endpoints/handlers/{create,update,patch,delete}.go`. Not modelled: managedFields, server-side apply, admission, quota.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.autoscaler.kubernetes_api import patches
from tests.autoscaler.kubernetes_api.conversion import SCALE_SCHEMA, scale_of, shown, stored, with_scale
from tests.autoscaler.kubernetes_api.kinds import BUILT_IN, Registry, Resource
from tests.autoscaler.kubernetes_api.schemas import decode, schema_of
from tests.autoscaler.kubernetes_api.statuses import (
    ApiError,
    Json,
    already_exists,
    bad_request,
    conflict,
    invalid,
    invalid_value,
    make,
    not_found,
    unsupported_media_type,
)
from tests.autoscaler.kubernetes_api.storage import Storage
from tests.autoscaler.kubernetes_api.validation import fill_in, validate

NAMESPACES = next(one for one in BUILT_IN if one.plural == "namespaces")
_MERGE_TYPES = (patches.JSON, patches.MERGE)
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Options:
    """What goes with a change."""

    dry_run: bool = False
    strict: bool = False
    """`fieldValidation=Strict`: an unknown field is an error."""


def timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """The objects of a server, changed by the rules of their kinds."""

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Return an object as stored.

        Raises:
            ApiError: there is none (404).
        """
        thing = self._storage.get(resource, namespace, name)
        if thing is None:
            raise not_found(resource.group, resource.plural, name)
        return thing

    def scale(self, resource: Resource, namespace: str, name: str) -> Json:
        """Return the scale of an object."""
        assert resource.scale is not None
        return scale_of(resource, resource.scale, self.get(resource, namespace, name))

    def create(
        self, resource: Resource, namespace: str, body: Json, options: Options
    ) -> tuple[Json, list[str]]:
        """Store a new object; returns it, and the unknown fields that were dropped.

        Raises:
            ApiError: it cannot be stored (400, 404, 409, 422).
        """
        thing, unknown = self._decode(resource, body, options)
        metadata = self._place(resource, namespace, thing)
        if metadata.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise ApiError(make(500, "", message))
        if resource.namespaced and self._storage.get(NAMESPACES, "", namespace) is None:
            raise not_found("", "namespaces", namespace)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + "".join(random.choices(_SUFFIX, k=5))
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
        if resource.generation:
            metadata["generation"] = 1
        if resource.status:
            thing.pop("status", None)
        fill_in(resource, thing)
        validate(resource, thing, None)
        if self._storage.get(resource, namespace, metadata["name"]) is not None:
            raise already_exists(resource.group, resource.plural, metadata["name"])
        if resource.kind == "CustomResourceDefinition":
            _establish(thing)
            if not options.dry_run:
                self._registry.define(thing)
        return self._put(resource, namespace, metadata["name"], thing, options), unknown

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        options: Options,
        *,
        status: bool = False,
    ) -> tuple[Json, list[str]]:
        """Replace an object, or its status; returns it, and the unknown fields that were dropped.

        Raises:
            ApiError: it is not there, was changed by another, or may not become that (400, 404, 409, 422).
        """
        thing, unknown = self._decode(resource, body, options)
        metadata = self._place(resource, namespace, thing)
        if metadata.get("name") != name:
            raise bad_request(
                f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL ({name})"
            )
        before = self._storage.get(resource, namespace, name)
        if before is None:
            if resource.create_on_update and not status:
                if metadata.get("uid"):
                    _check_uid(resource, {"metadata": {**metadata, "uid": ""}}, metadata["uid"])
                body = copy.deepcopy(body)
                body["metadata"].pop("resourceVersion", None)
                return self.create(resource, namespace, body, options)
            raise not_found(resource.group, resource.plural, name)
        return self._replace(resource, before, thing, options, status=status), unknown

    def update_scale(
        self, resource: Resource, namespace: str, name: str, body: Json, options: Options
    ) -> Json:
        """Replace an object's scale; returns the new one."""
        assert resource.scale is not None
        scale, _ = decode("Scale", "autoscaling/v1", schema_of(SCALE_SCHEMA), body)
        scale.setdefault("metadata", {})
        if scale["metadata"].get("name") != name:
            raise bad_request(
                f"the name of the object ({scale['metadata'].get('name', '')}) does not match the name on the URL ({name})"
            )
        before = self._storage.get(resource, namespace, name)
        if before is None:
            raise not_found(resource.group, f"{resource.plural}/scale", name)
        uid = scale["metadata"].get("uid")
        if uid:
            _check_uid(resource, before, uid)
        after = self._replace(resource, before, with_scale(resource.scale, before, scale), options)
        return scale_of(resource, resource.scale, after)

    def patch(
        self,
        resource: Resource,
        subresource: str,
        namespace: str,
        name: str,
        kind: str,
        patch: Any,
        options: Options,
    ) -> tuple[Json, list[str]]:
        """Patch an object, its status or its scale; returns the whole of what was patched.

        A patch that names no resourceVersion is applied to whatever is there now.

        Raises:
            ApiError: it cannot be applied (400, 404, 409, 415, 422).
        """
        custom = not resource.schema and subresource != "scale"
        accepted = _MERGE_TYPES if custom else (*_MERGE_TYPES, patches.STRATEGIC)
        if kind not in accepted:
            raise unsupported_media_type((*accepted, "application/apply-patch+yaml"))
        if subresource == "scale":
            before = self.scale(resource, namespace, name)
            after = _apply(before, kind, patch, SCALE_SCHEMA)
            return self.update_scale(resource, namespace, name, after, options), []
        before = shown(resource, self.get(resource, namespace, name))
        after = _apply(before, kind, patch, resource.schema)
        return self.update(resource, namespace, name, after, options, status=subresource == "status")

    def delete(
        self, resource: Resource, namespace: str, name: str, body: Json, options: Options
    ) -> tuple[Json, bool]:
        """Delete an object, or mark it for deletion where something has to happen first; returns it, and whether it is gone.

        A pod on a node waits for its kubelet unless the grace period is 0; finalizers are waited for; a namespace takes all
        that is in it along, which is what its controller would do.

        Raises:
            ApiError: there is none (404), or it is not the one that is meant (409).
        """
        thing = self.get(resource, namespace, name)
        wanted = body.get("preconditions") or {}
        if "uid" in wanted:
            _check_uid(resource, thing, wanted["uid"])
        if (
            wanted.get("resourceVersion", thing["metadata"]["resourceVersion"])
            != thing["metadata"]["resourceVersion"]
        ):
            why = (
                f"Precondition failed: ResourceVersion in precondition: {wanted['resourceVersion']}, "
                f"ResourceVersion in object meta: {thing['metadata']['resourceVersion']}"
            )
            raise conflict(resource.group, resource.plural, name, why)
        if options.dry_run:
            return thing, True
        grace_s = 0
        if resource.kind == "Pod" and thing["spec"].get("nodeName"):
            grace_s = body.get("gracePeriodSeconds", thing["spec"]["terminationGracePeriodSeconds"])
        if grace_s or thing["metadata"].get("finalizers"):
            if "deletionTimestamp" not in thing["metadata"]:
                end = datetime.now(UTC) + timedelta(seconds=grace_s)
                thing["metadata"]["deletionTimestamp"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
                thing["metadata"]["deletionGracePeriodSeconds"] = grace_s
            return self._storage.put(resource, namespace, name, thing), False
        if resource.kind == "Namespace":
            self._empty(lambda one, other: one.namespaced and other["metadata"].get("namespace") == name)
        elif resource.kind == "CustomResourceDefinition":
            spec = thing["spec"]
            own = (spec["group"], spec["names"]["plural"])
            self._empty(lambda one, other: one.stored_as == own)
            self._registry.remove(thing)
        return self._storage.delete(resource, namespace, name), True

    def _empty(self, goes: Callable[[Resource, Json], bool]) -> None:
        for one in self._registry:
            for other in self._storage.list(one):
                if goes(one, other):
                    metadata = other["metadata"]
                    self._storage.delete(one, metadata.get("namespace", ""), metadata["name"])

    def _decode(self, resource: Resource, body: Json, options: Options) -> tuple[Json, list[str]]:
        version, kind = body.get("apiVersion", resource.group_version), body.get("kind", resource.kind)
        if version != resource.group_version:
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API version ({resource.group_version})"
            )
        if kind != resource.kind:
            raise bad_request(
                f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: converting ({kind}) to '
                f"({resource.kind}): unknown conversion"
            )
        unknown: list[str] = []
        if resource.schema:
            body, unknown = decode(kind, resource.version, schema_of(resource.schema), body)
        else:
            body = copy.deepcopy(body)
        if unknown and options.strict:
            fields = ", ".join(f'unknown field "{field}"' for field in unknown)
            raise bad_request(
                f'{kind} in version "{resource.version}" cannot be handled as a {kind}: strict decoding error: {fields}'
            )
        body.setdefault("metadata", {})
        return stored(resource, body), unknown

    def _place(self, resource: Resource, namespace: str, thing: Json) -> Json:
        metadata: Json = thing["metadata"]
        if resource.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        else:
            metadata.pop("namespace", None)
        return metadata

    def _replace(
        self, resource: Resource, before: Json, thing: Json, options: Options, *, status: bool = False
    ) -> Json:
        metadata, old = thing["metadata"], before["metadata"]
        name, namespace = old["name"], old.get("namespace", "")
        if metadata.get("uid"):
            _check_uid(resource, before, metadata["uid"])
        version = metadata.get("resourceVersion") or "0"
        if not version.isdigit():
            error = invalid_value(
                "metadata.resourceVersion", version, f'strconv.ParseUint: parsing "{version}": invalid syntax'
            )
            raise invalid(resource.group, resource.plural, name, [error])
        if version == "0" and not resource.unconditional_update:
            error = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.group, resource.plural, name, [error])
        if version not in ("0", old["resourceVersion"]):
            raise conflict(resource.group, resource.plural, name)
        if status:
            thing = {
                **before,
                "status": thing.get("status", {}),
                "metadata": {**old, "resourceVersion": version},
            }
        elif resource.status and "status" in before:
            thing["status"] = before["status"]
        elif resource.status:
            thing.pop("status", None)
        fixed = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
        thing["metadata"] |= {key: old[key] for key in fixed if key in old}
        fill_in(resource, thing)
        if resource.generation and thing.get("spec") != before.get("spec"):
            thing["metadata"]["generation"] = old.get("generation", 0) + 1
        validate(resource, thing, before)
        if resource.kind == "CustomResourceDefinition" and not options.dry_run:
            self._registry.define(thing)
        if old.get("deletionTimestamp") and not thing["metadata"].get("finalizers") and old.get("finalizers"):
            return self._storage.delete(resource, namespace, name)
        return self._put(resource, namespace, name, thing, options)

    def _put(self, resource: Resource, namespace: str, name: str, thing: Json, options: Options) -> Json:
        thing = {key: value for key, value in thing.items() if key not in ("kind", "apiVersion")}
        if options.dry_run:
            return thing
        return self._storage.put(resource, namespace, name, thing)


def _apply(before: Json, kind: str, patch: Any, schema: str) -> Json:
    if kind == patches.JSON:
        after = patches.json_patch(before, patch)
    elif not isinstance(patch, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
        )
    elif kind == patches.STRATEGIC:
        after = patches.strategic(before, patch, schema_of(schema))
    else:
        after = patches.merge(before, patch)
    if not isinstance(after, dict) or not isinstance(after.get("metadata"), dict):
        raise bad_request("the patched object has no metadata")
    return after


def _check_uid(resource: Resource, thing: Json, uid: str) -> None:
    metadata = thing["metadata"]
    if uid != metadata["uid"]:
        key = f"/registry/{resource.plural}/{metadata.get('namespace', '')}/{metadata['name']}"
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
            f"failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        )
        raise conflict(resource.group, resource.plural, metadata["name"], why)


def _establish(definition: Json) -> None:
    names = definition["spec"]["names"]
    now = timestamp()
    definition["status"] = {
        "acceptedNames": names,
        "storedVersions": [one["name"] for one in definition["spec"]["versions"] if one.get("storage")],
        "conditions": [
            {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now}
            for kind, reason in (("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted"))
        ],
    }
