"""Tokens of each role, and clients which send them."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from rulebook.admintokens import Role, make_token
from tests.waitingroom.living import JSON, Living

MADE = {role: make_token(f"{role}-of-tests", role) for role in Role}
TOKENS = {role: made.token for role, made in MADE.items()}


def token_file(folder: Path, **more: Any) -> Path:
    """Write a token file with one token of each role."""
    path = folder / "tokens.yaml"
    entries = [made.entry.model_dump(mode="json", exclude_none=True) for made in MADE.values()]
    path.write_text(json.dumps([*entries, *more.get("entries", [])]))
    return path


class Office:
    """Calls the admin API with the token of a role."""

    def __init__(self, here: Living, role: Role = Role.OPERATOR, **headers: str) -> None:
        self._here = here
        self._headers = {**JSON, "Authorization": f"Bearer {TOKENS[role]}", **headers}

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET a path, and return status and document."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """POST to a path, and return status and document."""
        return await self._ask("POST", path, body)

    async def act(self, action: str, **body: Any) -> dict[str, Any]:
        """Carry out an action on the onsale `cactus`."""
        status, document = await self.post(f"/admin/v1/onsales/cactus/{action}", body)
        assert status == 200, document
        return document

    async def _ask(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, self._here.room + path, json=body) as answer,
        ):
            return answer.status, dict(await answer.json(content_type=None))
