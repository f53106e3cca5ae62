"""The HTTP side: a faithful little Kubernetes API server (as of 1.34) on the loopback address, in the test's own event loop.

Who asks is identified, what is asked is recorded and authorised, an ordered fault strikes, and then the objects answer. What is
different from the real server: no protobuf, no OpenAPI, no server-side apply, no managedFields, no admission webhooks.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.autoscaler.kubernetes_api import discovery
from tests.autoscaler.kubernetes_api.access import ADMIN, Access, User, service_account
from tests.autoscaler.kubernetes_api.certificates import make_certificates
from tests.autoscaler.kubernetes_api.conversion import shown
from tests.autoscaler.kubernetes_api.faults import Fault, Faults, Kind, error_of
from tests.autoscaler.kubernetes_api.kinds import BUILT_IN, Registry, Resource
from tests.autoscaler.kubernetes_api.objects import NAMESPACES, Objects, Options
from tests.autoscaler.kubernetes_api.requests import Asked, asked, is_true
from tests.autoscaler.kubernetes_api.statuses import (
    ApiError,
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


class ApiServer:
    """A server; its objects outlive `stop` and `start` unless it is told to `forget` them."""

    def __init__(self, folder: Path) -> None:
        self.storage = Storage()
        self.registry = Registry()
        self.access = Access(self.storage)
        self.objects = Objects(self.storage, self.registry)
        self.faults = Faults()
        self.bookmark_every_s = BOOKMARK_EVERY_S
        self.certificates = make_certificates(folder)
        self.admin_token = self.access.issue(ADMIN)
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._open: dict[int, web.Request] = {}
        self._watches: dict[int, web.Request] = {}
        for name in ("default", "kube-system", "kube-public"):
            self.objects.create(NAMESPACES, "", {"metadata": {"name": name}}, Options())

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    async def start(self) -> None:
        """Listen; after a stop, on the port of before."""
        app = web.Application(client_max_size=3 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self._port, ssl_context=self.certificates.context(), reuse_address=True
        )
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be gone at once: all connections are cut, new ones are refused."""
        if self._runner is None:
            return
        self.faults.thaw()
        self.cut_connections()
        await self._runner.cleanup()
        self._runner = None

    def cut_connections(self) -> None:
        """Cut everything that is under way, answers and watches."""
        for request in list(self._open.values()):
            _abort(request)

    def cut_watches(self) -> None:
        """Cut the watches, the controllers' too."""
        for request in list(self._watches.values()):
            _abort(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._open[id(request)] = request
        try:
            return await self._answer(request)
        except ApiError as error:
            return web.json_response(error.status, status=error.code, headers=error.headers)
        finally:
            del self._open[id(request)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        wanted = asked(request.method, request.path, request.query)
        user = self.access.identify(request.headers.get("Authorization"))
        # Faults are for those who are tested, not for the administrator who tests, nor for the controllers.
        exempt = "system:masters" in user.groups
        if not exempt:
            await self.faults.running()
        fault = None if exempt else self.faults.take(user.name, wanted)
        if fault is not None:
            early = await self._strike(request, fault, wanted)
            if early is not None:
                return early
        self.access.check(user, wanted)
        if not wanted.about_resource:
            return self._document(request)
        response = await self._resource(request, wanted, user)
        if fault is not None and fault.kind is Kind.CUT_AFTER:
            return _cut(request)
        return response

    async def _strike(self, request: web.Request, fault: Fault, wanted: Asked) -> web.StreamResponse | None:
        match fault.kind:
            case Kind.TOO_MANY:
                return web.Response(
                    status=429,
                    text="Too many requests, please try again later.\n",
                    headers={"Retry-After": str(max(1, round(fault.seconds)))},
                )
            case Kind.ERROR | Kind.GONE:
                raise error_of(fault)
            case Kind.SLOW:
                await asyncio.sleep(fault.seconds)
            case Kind.CUT:
                return _cut(request)
            case Kind.CHANGED:
                self.touch(self._find(wanted), wanted.namespace, wanted.name)
        return None

    def touch(self, resource: Resource, namespace: str, name: str) -> None:
        """Change an object as somebody else might, so that whoever has read it before is late."""
        thing = self.objects.get(resource, namespace, name)
        annotations = thing["metadata"].setdefault("annotations", {})
        annotations["example.org/touched"] = str(self.storage.revision)
        self.storage.put(resource, namespace, name, thing)

    def _document(self, request: web.Request) -> web.Response:
        if request.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        document = discovery.document(self.registry, request.path, self.address.removeprefix("https://"))
        if document is None:
            return web.Response(status=404, text="404 page not found\n")
        return web.json_response(document)

    def _find(self, wanted: Asked) -> Resource:
        resource = self.registry.find(wanted.group, wanted.version, wanted.resource)
        known = {"": True, "status": False, "scale": False, "token": False}
        if resource is not None:
            known |= {
                "status": resource.status,
                "scale": resource.scale is not None,
                "token": resource.kind == "ServiceAccount",
            }
        if resource is None or not known.get(wanted.subresource, False):
            raise path_not_found()
        if not resource.namespaced and wanted.namespace and resource.kind != "Namespace":
            raise path_not_found()
        return resource

    async def _resource(self, request: web.Request, wanted: Asked, user: User) -> web.StreamResponse:
        if (wanted.group, wanted.resource) == ("authorization.k8s.io", "selfsubjectaccessreviews"):
            return self._review(await _body(request), user)
        resource = self._find(wanted)
        # A namespace's own name stands where that of others' namespaces does.
        namespace = wanted.namespace if resource.namespaced else ""
        options = Options(
            dry_run=request.query.get("dryRun") == "All",
            strict=request.query.get("fieldValidation") == "Strict",
        )
        objects, name = (
            self.objects,
            wanted.name or (wanted.namespace if resource.kind == "Namespace" else ""),
        )
        match wanted.verb, wanted.subresource:
            case "watch", "":
                return await self._watch(request, resource, namespace, user)
            case "list", "":
                return self._list(request, resource, namespace)
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
        self.storage.check_revision(parse_revision(query.get("resourceVersion", "")))
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        selection = select(resource, namespace, labels, fields)
        things, metadata = list_of(
            self.storage,
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
        self._watches[id(request)] = request
        try:
            await response.prepare(request)
            events = events_of(
                self.storage,
                selection,
                revision=revision,
                initial=is_true(query.get("sendInitialEvents")),
                bookmarks=is_true(query.get("allowWatchBookmarks")),
                bookmark_s=self.bookmark_every_s,
                timeout_s=timeout_s,
            )
            async for event in events:
                if "system:masters" not in user.groups:
                    await self.faults.running()
                await response.write(json.dumps(event).encode() + b"\n")
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            del self._watches[id(request)]
        return response

    def _delete(
        self, resource: Resource, namespace: str, name: str, body: Json, options: Options
    ) -> web.Response:
        thing, gone = self.objects.delete(resource, namespace, name, body, options)
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
        things, metadata = list_of(self.storage, selection, limit=0, token="", selected=False)
        for thing in things:
            place = thing["metadata"]
            self.objects.delete(resource, place.get("namespace", ""), place["name"], {}, options)
        items = [shown(resource, thing) for thing in things]
        kind = f"{resource.kind}List"
        return web.json_response(
            {"kind": kind, "apiVersion": resource.group_version, "metadata": metadata, "items": items}
        )

    def _issue(self, namespace: str, name: str, body: Json) -> web.Response:
        """Make a token for a service account (TokenRequest)."""
        resource = next(one for one in BUILT_IN if one.kind == "ServiceAccount")
        self.objects.get(resource, namespace, name)
        token = self.access.issue(service_account(namespace, name))
        spec = {"audiences": [self.address], "expirationSeconds": _TOKEN_S} | (body.get("spec") or {})
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
        status = {"allowed": self.access.allows(user, about)}
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


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _cut(request: web.Request) -> web.StreamResponse:
    _abort(request)
    return web.Response()
