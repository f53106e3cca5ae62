"""What all handlers of the console share: its parts, who asks, and how a page is made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from autoscaler.console.audit import Audit
from autoscaler.console.history import Chronicle
from autoscaler.console.leaders import LeaderAddress, standing
from autoscaler.console.onsale_history import OnsaleHistory
from autoscaler.console.roomadmin import RoomAdmin
from autoscaler.console.seen import mark_of
from autoscaler.console.seldom import Seldom
from autoscaler.console.sessions import Attempts, Session, Sessions
from autoscaler.console.settings import ConsoleSettings
from autoscaler.console.tokens import may_act
from autoscaler.console.views import TRIED_AGAIN, ago
from autoscaler.loop import RuleLoop
from autoscaler.scaler import Scaler
from rulebook.addresses import Networks, client_of, is_within
from rulebook.rule import ScalingRule
from rulebook.tokencheck import TokenCheck

ROOT: Final = "/console"
SAID: Final = "said"
"""In the address of a page that shows what came of an action: which notice it is."""
HTML_HEADERS: Final = {"Cache-Control": "no-store"}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autoscaler.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["ago"] = ago
    environment.filters["clock"] = _clock_time
    environment.filters["moment"] = _moment
    environment.filters["mark"] = mark_of
    return environment


@dataclass(frozen=True, slots=True)
class Console:
    """The parts of one console. `stopping` is set when open streams are to end."""

    settings: ConsoleSettings
    chronicle: Chronicle
    scaler: Callable[[], Scaler]
    tokens: TokenCheck
    audit: Audit
    room: RoomAdmin | None
    leader: LeaderAddress
    proxies: Networks = ()
    onsale_history: OnsaleHistory = field(default_factory=OnsaleHistory)
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)
    foreign_forms: Seldom = field(default_factory=Seldom)
    limited_tries: Seldom = field(default_factory=Seldom)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    environment: Environment = field(default_factory=_environment)

    def rule(self, name: str) -> tuple[ScalingRule, RuleLoop]:
        """Find a rule that is run here.

        Raises:
            HTTPNotFound: it is not.
        """
        scaler = self.scaler()
        rule, loop = scaler.crew.plan.rules.get(name), scaler.loops.get(name)
        if rule is None or loop is None:
            refused = scaler.crew.not_started.get(name)
            if refused is not None:
                raise web.HTTPNotFound(text=f"{name} was not started: {refused}. {TRIED_AGAIN}")
            leadership = scaler.leadership
            if leadership.elected and not leadership.on_duty:
                raise web.HTTPNotFound(
                    text=f"{standing(leadership).text}: it runs the services, and shows them."
                )
            raise web.HTTPNotFound(text="There is no such service: no rule of this name is in force.")
        return rule, loop


CONSOLE = web.AppKey("console", Console)
SESSION = web.RequestKey("session", Session)


def render(request: web.Request, template: str, *, code: int = 200, **values: Any) -> web.Response:
    """Make a page."""
    console = request.app[CONSOLE]
    session: Session | None = request.get(SESSION)
    scaler = console.scaler()
    context: Mapping[str, Any] = {
        "root": ROOT,
        "session": session,
        "who": "" if session is None else session.entry.name,
        "may_act": session is not None and may_act(session.entry),
        "form_key": "" if session is None else session.form_key,
        "notice": None if session is None else session.take_notice(request.query.get(SAID, "")),
        "has_room": console.room is not None,
        "standing": standing(scaler.leadership),
        "leader_address": console.leader.elsewhere,
        "now_s": scaler.clock.now_s(),
        "path": request.path,
        **values,
    }
    text = console.environment.get_template(template).render(context)
    return web.Response(text=text, status=code, content_type="text/html", headers=HTML_HEADERS)


def see_other(address: str) -> web.Response:
    """Send the browser on to a page."""
    return web.Response(status=303, headers={"Location": address})


def client_name(request: web.Request) -> str:
    """Name who asks, as the room does: the nearest address that is no trusted proxy's, an IPv6 client by its /64."""
    proxies = request.app[CONSOLE].proxies
    return client_of(
        request.remote, request.headers, lambda peer: peer is not None and is_within(peer, proxies)
    )


@cache
def static_files() -> Mapping[str, tuple[bytes, str]]:
    """Return our scripts and styles with their types, by name; no path is ever made of what a request names."""
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    folder = files("autoscaler.console").joinpath("static")
    return {file.name: (file.read_bytes(), kinds[file.name.rpartition(".")[2]]) for file in folder.iterdir()}


def _clock_time(at_s: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at_s))


def _moment(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))
