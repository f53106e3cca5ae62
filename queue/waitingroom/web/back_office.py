"""Puts onto the room's application what isn't a buyer's: admin API, revocation feed, OpenAPI, and the shield around all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from waitingroom.gate.sessions import Sessions
from waitingroom.gate.trust import TrustedProxies
from waitingroom.revocations import Revocations
from waitingroom.room import Room
from waitingroom.settings import QueueSettings
from waitingroom.store.connect import StoreClient
from waitingroom.web.admin import AdminHandlers
from waitingroom.web.admin_access import Access
from waitingroom.web.admin_feed import RevocationFeed
from waitingroom.web.admin_tokens import open_tokens
from waitingroom.web.limits import Clients, Limit
from waitingroom.web.openapi import OpenApi
from waitingroom.web.security import Shield


@dataclass(frozen=True, slots=True)
class BackOffice:
    """What was put onto the application: the caller runs the revocations; the shield knows what every answer carries."""

    revocations: Revocations
    shield: Shield


def install_back_office(
    app: web.Application,
    rooms: Mapping[str, Room],
    client: StoreClient,
    sessions: Sessions,
    trusted: TrustedProxies,
    settings: QueueSettings,
) -> BackOffice:
    """Add routes and shield to `app`; `sessions` is told who was revoked for as long as the revocations run.

    Without a token file nobody is an operator, and there is no admin API.

    Raises:
        ConfigurationError: the token file cannot be used.
    """
    clients = Clients(trusted)
    if settings.admin_tokens is not None:
        access = Access(open_tokens(settings.admin_tokens), clients)
        app.add_routes(AdminHandlers(rooms, client, access).routes())
    revocations = Revocations(rooms, client, sessions.revoked)
    app.add_routes(RevocationFeed(revocations, rooms, clients).routes())
    app.add_routes(OpenApi().routes())

    async def let_listeners_go(app: web.Application) -> None:
        await revocations.close()

    app.on_shutdown.append(let_listeners_go)
    joins, claims = (
        Limit(clients, settings.join_rate_per_s, settings.join_burst, workers=settings.workers)
        for _ in range(2)
    )
    shield = Shield(rooms, trusted, joins, claims, https=settings.secure_cookies)
    shield.install(app)
    return BackOffice(revocations, shield)
