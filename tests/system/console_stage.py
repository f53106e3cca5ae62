"""A console over things that are real: a scaler with a pool of processes, a room with an onsale, and a store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from autoscaler.console.settings import ConsoleSettings
from autoscaler.settings import ScalerSettings
from rulebook import Onsale
from tests.autoscaler.running import running_scaler, write_documents
from tests.waitingroom.living import Living, living
from waitingroom.web.admin_tokens import Role, make_token

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
