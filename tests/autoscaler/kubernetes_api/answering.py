"""What is answered to a request that may be made: documents, objects, lists and watches, as HTTP.

Sources: apiserver `pkg/endpoints/handlers` (what is answered to what), `pkg/endpoints/handlers/negotiation` (forms).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.autoscaler.kubernetes_api import discovery
from tests.autoscaler.kubernetes_api.access import Access, User, service_account
from tests.autoscaler.kubernetes_api.conversion import shown
from tests.autoscaler.kubernetes_api.faults import Faults
from tests.autoscaler.kubernetes_api.kinds import BUILT_IN, Registry, Resource
from tests.autoscaler.kubernetes_api.logs import Logs
from tests.autoscaler.kubernetes_api.objects import Objects, Options
from tests.autoscaler.kubernetes_api.requests import Asked, is_true
from tests.autoscaler.kubernetes_api.statuses import (
    Json,
    bad_request,
    method_not_allowed,
    path_not_found,
    unsupported_media_type,
)
from tests.autoscaler.kubernetes_api.storage import Storage
from tests.autoscaler.kubernetes_api.tables import table, wants_table
from tests.autoscaler.kubernetes_api.watching import events_of, list_of, parse_revision, select

MIN_WATCH_S = 1800
"""`--min-request-timeout`: a watch without a timeout of its own ends after this, up to twice as long."""
BOOKMARK_EVERY_S = 60.0
_ACCEPTED = ("application/json",)
_TOKEN_S = 3600


class Answers:
    """Answers from the objects of one server."""

    def __init__(
        self,
        storage: Storage,
        registry: Registry,
        access: Access,
        objects: Objects,
        faults: Faults,
        address: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._registry = registry
        self._access = access
        self._objects = objects
        self._faults = faults
        self._address = address
        self.bookmark_every_s = BOOKMARK_EVERY_S
        self.watches: dict[int, web.Request] = {}
        self.logs = Logs()

    def document(self, request: web.Request) -> web.Response:
        if request.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        document = discovery.document(self._registry, request.path, self._address().removeprefix("https://"))
        if document is None:
            return web.Response(status=404, text="404 page not found\n")
        return web.json_response(document)

    def find(self, wanted: Asked) -> Resource:
        resource = self._registry.find(wanted.group, wanted.version, wanted.resource)
        known = {"": True, "status": False, "scale": False, "token": False, "log": False}
        if resource is not None:
            known |= {
                "status": resource.status,
                "scale": resource.scale is not None,
                "token": resource.kind == "ServiceAccount",
                "log": resource.kind == "Pod",
            }
        if resource is None or not known.get(wanted.subresource, False):
            raise path_not_found()
        if not resource.namespaced and wanted.namespace and resource.kind != "Namespace":
            raise path_not_found()
        return resource

    async def resource(self, request: web.Request, wanted: Asked, user: User) -> web.StreamResponse:
        if (wanted.group, wanted.resource) == ("authorization.k8s.io", "selfsubjectaccessreviews"):
            return self._review(await _body(request), user)
        resource = self.find(wanted)
        # A namespace's own name stands where that of others' namespaces does.
        namespace = wanted.namespace if resource.namespaced else ""
        options = Options(
            dry_run=request.query.get("dryRun") == "All",
            strict=request.query.get("fieldValidation") == "Strict",
        )
        objects, name = (
            self._objects,
            wanted.name or (wanted.namespace if resource.kind == "Namespace" else ""),
        )
        match wanted.verb, wanted.subresource:
            case "watch", "":
                return await self._watch(request, resource, namespace, user)
            case "list", "":
                return self._list(request, resource, namespace)
            case "get", "log":
                return await self.logs.answer(request, objects.get(resource, namespace, name))
            case "get", "scale":
                return web.json_response(objects.scale(resource, namespace, name))
            case "get", ("" | "status"):
                return _show(request, resource, objects.get(resource, namespace, name))
            case "create", "":
                thing, unknown = objects.create(resource, namespace, await _body(request), options)
                return _show(request, resource, thing, unknown, code=201)
            case "create", "token":
                return self._issue(namespace, name, await _body(request))
            case "update", "scale":
                body = await _body(request)
                return web.json_response(objects.update_scale(resource, namespace, name, body, options))
            case "update", ("" | "status"):
                thing, unknown = objects.update(
                    resource, namespace, name, await _body(request), options, status=bool(wanted.subresource)
                )
                return _show(request, resource, thing, unknown)
            case "patch", ("" | "status" | "scale"):
                thing, unknown = objects.patch(
                    resource,
                    wanted.subresource,
                    namespace,
                    name,
                    request.content_type,
                    await _json(request),
                    options,
                )
                if wanted.subresource == "scale":
                    return web.json_response(thing)
                return _show(request, resource, thing, unknown)
            case "delete", "":
                return self._delete(resource, namespace, name, await _optional_body(request), options)
            case "deletecollection", "":
                return self._delete_all(request, resource, namespace, options)
        raise method_not_allowed()

    def _list(self, request: web.Request, resource: Resource, namespace: str) -> web.Response:
        query = request.query
        self._storage.check_revision(parse_revision(query.get("resourceVersion", "")))
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        selection = select(resource, namespace, labels, fields)
        things, metadata = list_of(
            self._storage,
            selection,
            limit=int(query.get("limit", 0)),
            token=query.get("continue", ""),
            selected=bool(labels or fields),
        )
        if wants_table(request.headers.get("Accept", "")):
            return web.json_response(table(resource, things, metadata))
        items = [shown(resource, thing) for thing in things]
        if resource.schema:
            # The items of a list of built-in objects do not repeat their kind.
            items = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in items]
        kind = f"{resource.kind}List"
        body = {"kind": kind, "apiVersion": resource.group_version, "metadata": metadata, "items": items}
        return web.json_response(body)

    async def _watch(
        self, request: web.Request, resource: Resource, namespace: str, user: User
    ) -> web.StreamResponse:
        query = request.query
        selection = select(
            resource, namespace, query.get("labelSelector", ""), query.get("fieldSelector", "")
        )
        revision = parse_revision(query.get("resourceVersion", ""))
        timeout_s = float(query.get("timeoutSeconds") or 0) or MIN_WATCH_S * (1 + random.random())
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        self.watches[id(request)] = request
        try:
            await response.prepare(request)
            events = events_of(
                self._storage,
                selection,
                revision=revision,
                initial=is_true(query.get("sendInitialEvents")),
                bookmarks=is_true(query.get("allowWatchBookmarks")),
                bookmark_s=self.bookmark_every_s,
                timeout_s=timeout_s,
            )
            async for event in events:
                if "system:masters" not in user.groups:
                    await self._faults.running()
                await response.write(json.dumps(event).encode() + b"\n")
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            del self.watches[id(request)]
        return response

    def _delete(
        self, resource: Resource, namespace: str, name: str, body: Json, options: Options
    ) -> web.Response:
        thing, gone = self._objects.delete(resource, namespace, name, body, options)
        if resource.kind in ("Pod", "Namespace") or not gone:
            return web.json_response(shown(resource, thing))
        details = {
            "name": name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": thing["metadata"]["uid"],
        }
        details = {key: value for key, value in details.items() if value}
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return web.json_response(status)

    def _delete_all(
        self, request: web.Request, resource: Resource, namespace: str, options: Options
    ) -> web.Response:
        query = request.query
        selection = select(
            resource, namespace, query.get("labelSelector", ""), query.get("fieldSelector", "")
        )
        things, metadata = list_of(self._storage, selection, limit=0, token="", selected=False)
        for thing in things:
            place = thing["metadata"]
            self._objects.delete(resource, place.get("namespace", ""), place["name"], {}, options)
        items = [shown(resource, thing) for thing in things]
        kind = f"{resource.kind}List"
        return web.json_response(
            {"kind": kind, "apiVersion": resource.group_version, "metadata": metadata, "items": items}
        )

    def _issue(self, namespace: str, name: str, body: Json) -> web.Response:
        """Make a token for a service account (TokenRequest)."""
        resource = next(one for one in BUILT_IN if one.kind == "ServiceAccount")
        self._objects.get(resource, namespace, name)
        token = self._access.issue(service_account(namespace, name))
        spec = {"audiences": [self._address()], "expirationSeconds": _TOKEN_S} | (body.get("spec") or {})
        status = {"token": token, "expirationTimestamp": "2100-01-01T00:00:00Z"}
        request = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": spec,
            "status": status,
        }
        return web.json_response(request, status=201)

    def _review(self, body: Json, user: User) -> web.Response:
        """Say whether who asks may do something (SelfSubjectAccessReview)."""
        wanted = (body.get("spec") or {}).get("resourceAttributes") or {}
        names = ("group", "version", "resource", "subresource", "namespace", "name")
        about = Asked(wanted.get("verb", ""), "", **{name: wanted.get(name, "") for name in names})
        status = {"allowed": self._access.allows(user, about)}
        return web.json_response({**body, "status": status}, status=201)


def _show(
    request: web.Request,
    resource: Resource,
    thing: Json,
    unknown: list[str] | None = None,
    *,
    code: int = 200,
) -> web.Response:
    headers = {}
    if unknown:
        headers["Warning"] = f'299 - "unknown field \\"{unknown[0]}\\""'
    if wants_table(request.headers.get("Accept", "")):
        version = {"resourceVersion": thing["metadata"]["resourceVersion"]}
        return web.json_response(table(resource, [thing], version))
    return web.json_response(shown(resource, thing), status=code, headers=headers)


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise bad_request(f"invalid character in the body: {error}") from error


async def _body(request: web.Request) -> Json:
    # Without a type it is taken for JSON, as the real server takes it for the first form that it knows.
    if "Content-Type" in request.headers and request.content_type != "application/json":
        raise unsupported_media_type(_ACCEPTED)
    body = await _json(request)
    if not isinstance(body, dict):
        raise bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value")
    return body


async def _optional_body(request: web.Request) -> Json:
    body: Json = await _json(request) if request.can_read_body else {}
    grace = request.query.get("gracePeriodSeconds")
    return body | ({"gracePeriodSeconds": int(grace)} if grace else {})
