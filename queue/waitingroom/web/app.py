"""The room's aiohttp application: buyers' routes, health, metrics, keys and static files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from waitingroom.handovers import Handovers
from waitingroom.keyring import Keyring
from waitingroom.pages import Pages
from waitingroom.passes import public_keys
from waitingroom.room import Room
from waitingroom.web.buyers import BuyerHandlers
from waitingroom.web.draws import DrawHandlers
from waitingroom.web.events import EventHandlers
from waitingroom.web.limits import Clients
from waitingroom.web.pagedesk import PAGES
from waitingroom.web.refusals import answer_errors

_MAX_BODY_BYTES = 16_384


class Operations:
    """What machines ask for: health, readiness, metrics, the public keys of passes."""

    def __init__(self, rooms: Mapping[str, Room], keyring: Keyring, registry: CollectorRegistry) -> None:
        self._rooms = rooms
        self._registry = registry
        self._keyring = keyring

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
            web.get("/.well-known/jwks.json", self.keys),
        ]

    async def healthz(self, request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """Every room has seen its store; a store that fails later leaves us ready, as status goes on from the last copy."""
        missing = [name for name, room in self._rooms.items() if room.snapshot is None]
        if missing:
            return web.Response(status=503, text=f"no copy yet of: {', '.join(missing)}\n")
        return web.Response(text="ok\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' exposition of this process."""
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def keys(self, request: web.Request) -> web.Response:
        """The public keys with which a shop checks passes by itself."""
        published = public_keys(self._keyring).as_dict(private=False)
        return web.json_response(published, headers={"Cache-Control": "public, max-age=300"})


def make_room_app(
    rooms: Mapping[str, Room],
    keyring: Keyring,
    registry: CollectorRegistry,
    handovers: Handovers,
    *,
    pages: Pages,
    clients: Clients,
    secure_cookies: bool,
    more_routes: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Assemble the application; `more_routes` come before the buyers'."""
    app = web.Application(middlewares=[answer_errors], client_max_size=_MAX_BODY_BYTES)
    app[PAGES] = pages
    app.add_routes(Operations(rooms, keyring, registry).routes())
    app.add_routes(more_routes)
    app.add_routes(pages.assets.routes())
    events = EventHandlers(rooms, clients)
    app.add_routes(events.routes())
    app.on_shutdown.append(events.send_away)
    app.add_routes(DrawHandlers(rooms).routes())
    buyers = BuyerHandlers(rooms, keyring, pages, handovers, secure_cookies=secure_cookies)
    app.add_routes(buyers.routes())
    return app
