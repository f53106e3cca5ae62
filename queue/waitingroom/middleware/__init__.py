"""The gate inside a shop written in Python: checks passes offline, by the room's public keys.

    room = "https://room.example.org"
    onsales = load_documents("onsales").onsales.values()
    keys = FetchedKeys(f"{room}/.well-known/jwks.json")
    gate = OfflineGate(onsales, keys, room_url=room, link=RoomLink(room))
    app = AsgiGate(app, gate)            # or WsgiGate(app, gate), or web.Application(middlewares=[aiohttp_gate(gate)])

By the link it hears of sessions that were ended, has passes renewed, and lets buyers in who come from a room on another domain.
Without one, a pass holds here until it expires.
"""

from waitingroom.middleware.aiohttp_gate import aiohttp_gate
from waitingroom.middleware.asgi import AsgiGate
from waitingroom.middleware.keys import FetchedKeys, StaticKeys
from waitingroom.middleware.link import RoomLink
from waitingroom.middleware.offline import OfflineGate
from waitingroom.middleware.wsgi import WsgiGate

__all__ = [
    "AsgiGate",
    "FetchedKeys",
    "OfflineGate",
    "RoomLink",
    "StaticKeys",
    "WsgiGate",
    "aiohttp_gate",
]
