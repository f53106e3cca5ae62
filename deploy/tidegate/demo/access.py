"""Who may use the demo's console: a viewer and an operator, with tokens made for this run and told to its terminal alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rulebook.admintokens import NewToken, Role, make_token

PEOPLE = {Role.OPERATOR: "demo-operator", Role.VIEWER: "demo-viewer"}
_CONSOLE = "demo-console"


@dataclass(frozen=True, slots=True)
class Access:
    """The token of each role, the file with their hashes, and the one with the secret by which the console asks the room."""

    tokens: dict[Role, str]
    hashes: Path
    room_secret: Path

    def forget(self) -> None:
        """Remove the secret, once nobody needs it any more."""
        self.room_secret.unlink(missing_ok=True)


def make_access(folder: Path) -> Access:
    """Make the tokens, and the two files in `folder`."""
    made: dict[Role, NewToken] = {role: make_token(name, role) for role, name in PEOPLE.items()}
    console = make_token(_CONSOLE, Role.OPERATOR)
    hashes, secret = folder / "tokens.yaml", folder / "room-token"
    entries = [each.entry.model_dump(mode="json", exclude_none=True) for each in (*made.values(), console)]
    hashes.write_text(json.dumps(entries) + "\n", encoding="utf-8")
    secret.touch(mode=0o600)
    secret.write_text(console.token + "\n", encoding="utf-8")
    return Access({role: each.token for role, each in made.items()}, hashes, secret)
