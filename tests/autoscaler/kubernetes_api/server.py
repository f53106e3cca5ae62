"""The HTTP side: a faithful little Kubernetes API server (as of 1.34) on the loopback address, in the test's own event loop.

Who asks is identified, what is asked is recorded and authorised, an ordered fault strikes, and then the objects answer. What is
different from the real server: no protobuf, no OpenAPI, no server-side apply, no managedFields, no admission webhooks.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.autoscaler.kubernetes_api.access import ADMIN, Access, User
from tests.autoscaler.kubernetes_api.answering import Answers
from tests.autoscaler.kubernetes_api.certificates import make_certificates
from tests.autoscaler.kubernetes_api.faults import Fault, Faults, Kind, error_of
from tests.autoscaler.kubernetes_api.kinds import Registry, Resource
from tests.autoscaler.kubernetes_api.objects import NAMESPACES, Objects, Options
from tests.autoscaler.kubernetes_api.requests import Asked, asked
from tests.autoscaler.kubernetes_api.statuses import ApiError
from tests.autoscaler.kubernetes_api.storage import Storage


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that somebody known made, and the code it was answered with, in the order of the answers."""

    user: str
    asked: Asked
    code: int


class ApiServer:
    """A server; its objects outlive `stop` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.storage = Storage()
        self.registry = Registry()
        self.access = Access(self.storage)
        self.objects = Objects(self.storage, self.registry)
        self.faults = Faults()
        self.answers = Answers(
            self.storage, self.registry, self.access, self.objects, self.faults, lambda: self.address
        )
        self.answered: list[Answered] = []
        self.certificates = make_certificates(folder)
        self.admin_token = self.access.issue(ADMIN)
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._open: dict[int, web.Request] = {}
        for name in ("default", "kube-system", "kube-public"):
            self.objects.create(NAMESPACES, "", {"metadata": {"name": name}}, Options())

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def bookmark_every_s(self) -> float:
        """How often a watch that wants bookmarks is sent one."""
        return self.answers.bookmark_every_s

    @bookmark_every_s.setter
    def bookmark_every_s(self, seconds: float) -> None:
        self.answers.bookmark_every_s = seconds

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self.answers.watches)

    async def start(self) -> None:
        """Listen; after a stop, on the port of before."""
        app = web.Application(client_max_size=3 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
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
        for request in list(self.answers.watches.values()):
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
        try:
            response = await self._answer_to(request, wanted, user)
        except ApiError as error:
            self.answered.append(Answered(user.name, wanted, error.code))
            raise
        self.answered.append(Answered(user.name, wanted, response.status))
        return response

    async def _answer_to(self, request: web.Request, wanted: Asked, user: User) -> web.StreamResponse:
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
        if wanted.about_resource:
            response = await self.answers.resource(request, wanted, user)
        else:
            response = self.answers.document(request)
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
            case Kind.HELD:
                await fault.released.wait()
            case Kind.CUT:
                return _cut(request)
            case Kind.CHANGED:
                self.touch(self.answers.find(wanted), wanted.namespace, wanted.name)
        return None

    def touch(self, resource: Resource, namespace: str, name: str) -> None:
        """Change an object as somebody else might, so that whoever has read it before is late."""
        thing = self.objects.get(resource, namespace, name)
        annotations = thing["metadata"].setdefault("annotations", {})
        annotations["example.org/touched"] = str(self.storage.revision)
        self.storage.put(resource, namespace, name, thing)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _cut(request: web.Request) -> web.StreamResponse:
    _abort(request)
    return web.Response()
