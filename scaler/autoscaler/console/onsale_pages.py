"""The page of an onsale, and what operators do to it, by way of the room's admin API, which checks and logs it too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from autoscaler.console.actions import CONFIRMED, Refused, ask_again, carry_out, refuse, texts
from autoscaler.console.base import CONSOLE, ROOT, render
from autoscaler.console.onsales import OnsaleView, onsale_view
from autoscaler.console.questions import Question
from autoscaler.console.roomadmin import RoomAdmin, RoomError
from autoscaler.console.seen import check_seen

MAX_TEXT: Final = 300


async def show_onsale(request: web.Request) -> web.Response:
    """One onsale with all its figures."""
    room, name = _room(request), request.match_info["onsale"]
    changes: tuple[Mapping[str, Any], ...] = ()
    view, problem = None, ""
    try:
        view = onsale_view(await room.onsale(name))
        changes = await room.changes(name)
    except RoomError as error:
        problem, known = str(error), room.known(name)
        if view is None and known is not None:
            view = onsale_view({**known, "stale": True})
    waiting, rates = request.app[CONSOLE].onsale_history.plots(name)
    return render(
        request,
        "onsale.html",
        name=name,
        onsale=view,
        problem=problem,
        changes=changes,
        waiting_plot=waiting,
        rates_plot=rates,
    )


async def act(request: web.Request) -> web.StreamResponse:
    """Do what a form asks for."""
    room, name, action = _room(request), request.match_info["onsale"], request.match_info["action"]
    form, back = await texts(request), f"{ROOT}/onsales/{name}"
    try:
        body = read_action(action, form)
    except Refused as error:
        return refuse(request, form, back, f"Nothing was changed: {error}")
    if action == "revoke" and CONFIRMED not in form:
        text = (
            f"Session {body['session']} ends at every gate within seconds. The buyer is put out of the shop, "
            "and the place is used up."
        )
        return ask_again(request, form, Question("Revoke this session?", text, "Revoke"), back)
    detail = next((str(value) for value in body.values() if value), "")

    async def change(request_id: str) -> None:
        if action in CHANGED_BY:
            now = onsale_view(await room.onsale(name))
            # Who holds a line that is not held is never refused: it is urgent, and hurts nobody's work.
            if action != "hold" or now.hold:
                check_seen(form, CHANGED_BY[action](now), _told(action, now))
        await room.act(name, action, body, request_id)

    return await carry_out(
        request, action, f"onsale {name}", detail, change, done=f"{name}: {_DONE[action]}", back=back
    )


_DONE: Final = {
    "hold": "nobody is released until you resume.",
    "resume": "buyers are released again.",
    "rate": "the rate is set.",
    "message": "the message is set.",
    "revoke": "the session is revoked.",
}


CHANGED_BY: Final[Mapping[str, Callable[[OnsaleView], object]]] = {
    "hold": lambda onsale: onsale.hold,
    "resume": lambda onsale: onsale.hold,
    "rate": lambda onsale: onsale.ceiling_per_s,
    "message": lambda onsale: onsale.message,
}
"""What of an onsale each action changes: if somebody else has changed that meanwhile, it is not done."""


def _told(action: str, now: OnsaleView) -> str:
    match action:
        case "rate" if now.ceiling_per_s is None:
            return "the rate was given back to the document"
        case "rate":
            return f"the rate was set to {now.ceiling_per_s:g}/s"
        case "message":
            return f"the message was set to “{now.message}”" if now.message else "the message was taken back"
        case _:
            return f"the onsale was held: “{now.hold}”," if now.hold else "the onsale was resumed"


def read_action(action: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Read the form of an action into what the room's API takes; the room itself checks it once more.

    Raises:
        Refused: it cannot be used.
    """
    match action:
        case "hold":
            reason = _one_line(form.get("reason", ""))
            if not reason:
                raise Refused("write a reason: buyers are shown it")
            return {"reason": reason}
        case "resume":
            return {}
        case "rate":
            return {"rate": _rate(form.get("rate", ""))}
        case "message":
            return {"message": _one_line(form.get("message", "")) or None}
        case "revoke":
            session = form.get("session", "").strip()
            if not session:
                raise Refused("write the id of the session")
            return {"session": session[:MAX_TEXT]}
    raise web.HTTPNotFound(text="There is no such action.")


def _rate(text: str) -> str | None:
    """Read `12/s`, `300/m` or a bare number a second; nothing takes the operators' rate back."""
    text = text.strip().replace(" ", "")
    if not text:
        return None
    return text if "/" in text else f"{text}/s"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > MAX_TEXT:
        raise Refused(f"the text is longer than {MAX_TEXT} characters")
    return line


def _room(request: web.Request) -> RoomAdmin:
    room = request.app[CONSOLE].room
    if room is None:
        raise web.HTTPNotFound(text="This console knows no room: see --room-admin.")
    return room
