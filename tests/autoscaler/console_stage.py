"""A console over things that are real: a scaler with a pool of processes, a room with an onsale, and a store."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from autoscaler.console.settings import ConsoleSettings
from autoscaler.settings import ScalerSettings
from rulebook import Onsale
from rulebook.admintokens import Role, make_token
from tests.autoscaler.running import running_scaler, write_documents
from tests.waitingroom.living import Living, living

MADE = {role: make_token(f"{role}-of-tests", role) for role in Role}
TOKENS = {role: made.token for role, made in MADE.items()}

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata:
  name: web
  annotations: {tidegate.dev/description: %(description)s}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: shop}
  replicas: {min: 1, max: 4}
  interval: 500ms
  signals:
    - name: busy
      exposition: {gauge: busy, aggregate: max}
      perReplica: 20
  admission: {onsale: cactus, perReadyReplica: 5/s, sessionsPerReadyReplica: 300}
"""


@dataclass(frozen=True)
class Stage:
    """A console that runs. `folder` holds its documents, logs and tokens."""

    console: str
    http: aiohttp.ClientSession
    settings: ScalerSettings
    room: Living | None
    folder: Path


def token_file(folder: Path) -> Path:
    """Write a token file with one token of each role."""
    path = folder / "tokens.yaml"
    path.write_text(
        json.dumps([made.entry.model_dump(mode="json", exclude_none=True) for made in MADE.values()])
    )
    return path


def stage_settings(folder: Path, store_url: str, description: str = "The ticket shop") -> ScalerSettings:
    """Write documents and tokens, and return what a scaler with a console is run with."""
    rule = RULE % {"description": json.dumps(description)}
    settings = replace(write_documents(folder, rule=rule, ports=6), store_url=store_url)
    return replace(settings, console=ConsoleSettings(tokens=token_file(folder)))


@asynccontextmanager
async def running_stage(settings: ScalerSettings, *onsales: Onsale) -> AsyncIterator[Stage]:
    """Run a scaler with its console, and a room where there are onsales."""
    folder = settings.rules[0].parent
    async with AsyncExitStack() as stack:
        room = None
        if onsales:
            assert settings.console is not None
            tokens = folder / "tokens.yaml"
            room = await stack.enter_async_context(
                living(folder, settings.store_url, *onsales, admin_tokens=tokens)
            )
            secret = folder / "room-token"
            secret.write_text(TOKENS[Role.OPERATOR] + "\n")
            console = replace(settings.console, room_admin=room.room, room_admin_token_file=secret)
            settings = replace(settings, console=console)
        http = await stack.enter_async_context(running_scaler(settings))
        yield Stage(f"{str(http._base_url).rstrip('/')}/console/", http, settings, room, folder)


class Operator:
    """A client which does what a browser does: keeps the cookie, names its origin, sends the form's key."""

    def __init__(self, stage: Stage) -> None:
        self.origin = stage.console.removesuffix("/console/")
        self._address = stage.console
        self.http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Accept": "text/html"}
        )

    async def sign_in(self, token: str, **form: str) -> aiohttp.ClientResponse:
        """Sign in by a token; the answer is not followed."""
        return await self.post("sign-in", token=token, **form)

    async def page(self, path: str = "") -> str:
        """Return a page."""
        async with self.http.get(self._address + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def key(self) -> str:
        """Return the key of this session's forms."""
        found = re.search(r'name="form_key" value="([^"]+)"', await self.page())
        assert found
        return found[1]

    async def post(
        self, path: str, headers: dict[str, str] | None = None, **form: str
    ) -> aiohttp.ClientResponse:
        """Send a form as a browser does; `headers` replace what it says of itself."""
        told = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return await self.http.post(self._address + path, data=form, headers=told, allow_redirects=False)

    async def act(self, path: str, **form: str) -> str:
        """Send a form of a page, confirmed where it is asked for once more, and return the page that comes of it."""
        whole = {"confirmed": "yes", **form}
        async with await self.post(path, form_key=await self.key(), **whole) as answer:
            assert answer.status == 303, await answer.text()
        return await self.page(answer.headers["Location"].removeprefix("/console/"))


@asynccontextmanager
async def signed_in(stage: Stage, role: Role = Role.OPERATOR) -> AsyncIterator[Operator]:
    """Be at the console with a token of a role."""
    operator = Operator(stage)
    try:
        async with await operator.sign_in(TOKENS[role]) as answer:
            assert answer.status == 303, await answer.text()
        yield operator
    finally:
        await operator.http.close()
