"""The room that a request's path names."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from waitingroom.room import Room


def room_of(request: web.Request, rooms: Mapping[str, Room]) -> Room:
    """Return the room of the onsale in the request's path.

    Raises:
        HTTPNotFound: there is no such onsale.
    """
    room = rooms.get(request.match_info["onsale"])
    if room is None:
        raise web.HTTPNotFound(text="no such onsale")
    return room
