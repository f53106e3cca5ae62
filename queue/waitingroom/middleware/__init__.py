"""The gate inside a shop written in Python: checks passes offline, by the room's public keys.

    keys = FetchedKeys("https://room.example.org/.well-known/jwks.json")
    gate = OfflineGate(load_documents("onsales").onsales.values(), keys, room_url="https://room.example.org")
    app = AsgiGate(app, gate)            # or WsgiGate(app, gate), or web.Application(middlewares=[aiohttp_gate(gate)])

It neither renews passes nor hears of sessions that were ended: a pass holds here until it expires.
"""

from waitingroom.middleware.aiohttp_gate import aiohttp_gate
from waitingroom.middleware.asgi import AsgiGate
from waitingroom.middleware.keys import FetchedKeys, StaticKeys
from waitingroom.middleware.offline import OfflineGate
from waitingroom.middleware.wsgi import WsgiGate

__all__ = [
    "AsgiGate",
    "FetchedKeys",
    "OfflineGate",
    "StaticKeys",
    "WsgiGate",
    "aiohttp_gate",
]
