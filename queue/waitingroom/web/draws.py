"""The draw over HTTP: what is public of it, and how a buyer gives its record back to a room that has lost it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError

from waitingroom.room import Room
from waitingroom.web.answers import draw_document
from waitingroom.web.buyer_documents import ShownRecord
from waitingroom.web.negotiation import problem

_SHARED = {"Cache-Control": "public, max-age=1", "Access-Control-Allow-Origin": "*"}


class DrawHandlers:
    """Handlers over the rooms by name."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._rooms = rooms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [
            web.get("/{onsale}/draw", self.draw),
            web.post("/{onsale}/draw", self.show),
        ]

    async def draw(self, request: web.Request) -> web.StreamResponse:
        """The commitment, the beacon and, from the opening on, the signed record."""
        room = self._rooms.get(request.match_info["onsale"])
        if room is None or not room.drawn:
            return _nothing_drawn(room)
        room.requests.draw += 1
        return web.json_response(draw_document(room, room.snapshot), headers=_SHARED)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Take a record that a buyer kept; it counts only if this room signed it for this sale."""
        room = self._rooms.get(request.match_info["onsale"])
        if room is None or not room.drawn:
            return _nothing_drawn(room)
        try:
            shown = ShownRecord.model_validate_json(await request.read())
        except ValidationError:
            detail = 'Send {"record": "..."}, the record as this room gave it.'
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Malformed", detail)
        if not room.put_back_draw(shown.record):
            detail = "This is not the record of this draw; nothing was changed."
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Not this draw", detail)
        headers = {"Cache-Control": "no-store"}
        return web.json_response(draw_document(room, room.snapshot), headers=headers)


def _nothing_drawn(room: Room | None) -> web.Response:
    detail = "no such onsale" if room is None else "This line is served in the order of arrival."
    return problem(HTTPStatus.NOT_FOUND, "Not found" if room is None else "No draw", detail)
