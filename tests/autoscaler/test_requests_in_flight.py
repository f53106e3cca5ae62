"""However many rules speak at once and however slowly an API server answers: so many connections and no more."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from autoscaler.clock import SystemClock
from autoscaler.kubernetes.access import KubeconfigAccess
from autoscaler.kubernetes.client import ClientLimits, KubernetesClient

LIMITS = ClientLimits(per_s=10_000.0, burst=1_000, in_flight=8)


class SlowServer:
    """An API server that answers nothing before it is told to."""

    def __init__(self) -> None:
        self.answering = asyncio.Event()
        self.asked = 0
        self.open = 0
        self.most = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return web.Response(text='{"type": "ADDED", "object": {}}\n')
        self.asked += 1
        self.open += 1
        self.most = max(self.most, self.open)
        await self.answering.wait()
        self.open -= 1
        return web.json_response({"kind": "Pod"})


def kubeconfig(folder: Path, url: str) -> KubeconfigAccess:
    document = {
        "clusters": [{"name": "slow", "cluster": {"server": url}}],
        "users": [{"name": "tidegate", "user": {"token": "a-token"}}],
        "contexts": [{"name": "slow", "context": {"cluster": "slow", "user": "tidegate"}}],
        "current-context": "slow",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return KubeconfigAccess(str(path), None)


async def asked_for(slow: SlowServer, count: int) -> None:
    """Wait until so many requests have come."""
    async with asyncio.timeout(60):
        while slow.asked < count:
            await asyncio.sleep(0.01)


async def test_requests_in_flight_are_bounded_and_watches_are_not_among_them(tmp_path: Path) -> None:
    slow, app = SlowServer(), web.Application()
    app.router.add_get("/{path:.*}", slow.answer)
    async with TestServer(app) as server:
        client = KubernetesClient(kubeconfig(tmp_path, str(server.make_url(""))), SystemClock(), LIMITS)
        asked = [asyncio.create_task(client.get(f"/api/v1/pods/{number}")) for number in range(50)]
        await asked_for(slow, LIMITS.in_flight)
        events = [event async for event in client.watch("/api/v1/pods", (), 1)]
        assert [event["type"] for event in events] == ["ADDED"]
        assert slow.asked == LIMITS.in_flight
        slow.answering.set()
        assert len(await asyncio.gather(*asked)) == 50
        assert slow.most == LIMITS.in_flight
        await client.close()


async def test_a_fence_is_asked_after_all_waiting(tmp_path: Path) -> None:
    slow, app = SlowServer(), web.Application()
    app.router.add_get("/{path:.*}", slow.answer)
    limits = ClientLimits(per_s=10_000.0, burst=1_000, in_flight=1)
    in_office = True

    def fence() -> None:
        if not in_office:
            raise PermissionError("another leads")

    async with TestServer(app) as server:
        client = KubernetesClient(kubeconfig(tmp_path, str(server.make_url(""))), SystemClock(), limits)
        first = asyncio.create_task(client.get("/api/v1/pods/1"))
        await asked_for(slow, 1)
        second = asyncio.create_task(client.request("GET", "/api/v1/pods/2", before_sending=fence))
        await asyncio.sleep(0.1)
        in_office = False
        slow.answering.set()
        await first
        with pytest.raises(PermissionError):
            await second
        assert slow.asked == 1
        await client.close()
