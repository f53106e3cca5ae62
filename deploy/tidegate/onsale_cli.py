"""`tidegate onsale ...`: what operators do to an onsale, through the room's admin API.

Exit status: 0 done, 1 the room refused or a check failed, 2 the command or its options are wrong, 3 the room cannot be reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import aiohttp
import typer
import typer.core
from rich.console import Console
from rich.table import Table

from autoscaler.wording import said
from rulebook.admintokens import Role, make_token
from rulebook.tokenfile import add_token
from tidegate.cli_options import read_url, refuse

_COMMON = {"--json": 1, "--admin-url": 2, "--admin-token": 2}


class AnyOrder(typer.core.TyperGroup):
    """Takes the options of all commands behind the command as well: `tidegate onsale list --json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put them first; what follows `--` stays."""
        end = args.index("--") if "--" in args else len(args)
        first: list[str] = []
        rest: list[str] = []
        index = 0
        while index < end:
            name, equals, _ = args[index].partition("=")
            width = 1 if equals else _COMMON.get(name, 1)
            (first if name in _COMMON else rest).extend(args[index : index + width])
            index += width
        return super().parse_args(ctx, [*first, *rest, *args[max(end, index) :]])


onsale_app = typer.Typer(
    cls=AnyOrder, help="Run onsales: talks to the room's admin API.", no_args_is_help=True
)

REFUSED = 1
UNREACHABLE = 3
_TIMEOUT_S = 10.0
_DASH = "-"
_NO_ROUTE = "404: Not Found"
"""What aiohttp says where there is no route: a room without an admin API."""
_DEFAULT_URL = "http://127.0.0.1:8080"

Name = Annotated[str, typer.Argument(help="The onsale.")]
AsDocumented = Annotated[
    bool, typer.Option("--as-documented", help="Go by the document's times again, instead of now.")
]


@dataclass(frozen=True, slots=True)
class Api:
    """Where the admin API is, by which token, and how to print."""

    url: str
    token: str
    json: bool

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """GET, or POST with a body; ends the command with one line if it fails."""
        try:
            status, answer = asyncio.run(self._request(path, body))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            refuse(
                f"{self.url} cannot be reached: {said(error)}; is that the room's address (--admin-url)?",
                UNREACHABLE,
            )
        if status == HTTPStatus.NOT_FOUND and answer.get("detail") == _NO_ROUTE:
            refuse(f"{self.url} has no admin API: start the room with --admin-tokens", REFUSED)
        if status >= HTTPStatus.BAD_REQUEST and "detail" not in answer:  # no room of ours says so little
            refuse(
                f"{self.url} answers {status}, but not as a room: is /admin routed at this address? Name one that leads to the "
                "room itself by --admin-url or TIDEGATE_ADMIN_URL",
                REFUSED,
            )
        if status >= HTTPStatus.BAD_REQUEST:
            problems = "; ".join(f"{p['field']}: {p['message']}" for p in answer.get("problems", ()))
            refuse(f"{answer['detail']}{f' {problems}' if problems else ''}", REFUSED)
        return answer

    async def _request(self, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            method = "GET" if body is None else "POST"
            url = f"{self.url}/admin/v1/{path}"
            async with session.request(method, url, json=body, allow_redirects=False) as answer:
                text = await answer.text()
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            document = None
        if answer.status < HTTPStatus.BAD_REQUEST and (answer.status != HTTPStatus.OK or document is None):
            raise ValueError(f"that is no admin API, which says {answer.status}")
        return answer.status, document or {}


@onsale_app.callback()
def _options(
    context: typer.Context,
    admin_url: Annotated[
        str,
        typer.Option(
            "--admin-url",
            envvar="TIDEGATE_ADMIN_URL",
            help="An address of the room at which /admin is served: mostly not the one that buyers see.",
        ),
    ] = _DEFAULT_URL,
    admin_token: Annotated[
        str | None,
        typer.Option("--admin-token", help="The bearer token; better given in TIDEGATE_ADMIN_TOKEN."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Options before the command: `tidegate onsale --json list`."""
    token = admin_token or os.environ.get("TIDEGATE_ADMIN_TOKEN") or ""
    context.obj = Api(read_url(admin_url, "--admin-url").rstrip("/"), token.strip(), as_json)


@onsale_app.command("list")
def list_onsales(context: typer.Context) -> None:
    """List all onsales."""
    api = _api(context)
    answer = api.ask("onsales")
    if api.json:
        return _print_json(answer)
    columns = ("name", "phase", "waiting", "released", "sessions", "rate_per_s", "rate_reason", "hold")
    return _print_table(columns, [[each[column] for column in columns] for each in answer["onsales"]])


@onsale_app.command("show")
def show(context: typer.Context, name: Name) -> None:
    """Show everything of one onsale."""
    api = _api(context)
    answer = api.ask(f"onsales/{quote(name, safe='')}")
    if api.json:
        return _print_json(answer)
    rows: list[list[Any]] = [["phase", answer["phase"]], ["stale", answer["stale"]]]
    rows += [[field, value] for field, value in (answer["snapshot"] or {}).items()]
    rows += [[f"set by operators: {field}", value] for field, value in answer["overrides"].items()]
    return _print_table((name, ""), rows)


@onsale_app.command("pause")
def pause(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Shown to buyers.")],
) -> None:
    """Release nobody for now; buyers keep their places and are shown the reason."""
    _change(context, name, "hold", {"reason": reason})


@onsale_app.command("resume")
def resume(context: typer.Context, name: Name) -> None:
    """Release again."""
    _change(context, name, "resume", {})


@onsale_app.command("rate")
def rate(
    context: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(help="For example 12/s; `none` takes it back.")],
) -> None:
    """Set a ceiling below the document's rate."""
    _change(context, name, "rate", {"rate": None if value == "none" else value})


@onsale_app.command("open")
def open_now(context: typer.Context, name: Name, as_documented: AsDocumented = False) -> None:
    """Open now."""
    _change(context, name, "open", {"at": "document" if as_documented else "now"})


@onsale_app.command("close")
def close_now(context: typer.Context, name: Name, as_documented: AsDocumented = False) -> None:
    """Close now: nobody else is released. The shop stays guarded until the document's `closes`."""
    _change(context, name, "close", {"at": "document" if as_documented else "now"})
    if not as_documented:
        _say_guarded(context)


@onsale_app.command("soldout")
def soldout(
    context: typer.Context,
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Not sold out after all.")] = False,
) -> None:
    """Say that everything is sold; this closes the onsale. The shop stays guarded until the document's `closes`."""
    _change(context, name, "soldout", {"soldout": not undo})
    if not undo:
        _say_guarded(context)


@onsale_app.command("beacon")
def beacon(
    context: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(help="The value, exactly as its source tells it.")],
) -> None:
    """Give the value of the beacon which the document names: the draw waits for it. It cannot be changed."""
    _change(context, name, "beacon", {"value": value})


@onsale_app.command("revoke")
def revoke(
    context: typer.Context, name: Name, session: Annotated[str, typer.Argument(help="The session's id.")]
) -> None:
    """End a session: its pass opens no gate any more."""
    api = _api(context)
    answer = api.ask(f"onsales/{quote(name, safe='')}/revoke", {"session": session})
    if api.json:
        return _print_json(answer)
    was = "was live" if answer["was_live"] else "was not known as live"
    print(f"{name}: session {session} is revoked ({was})")
    return None


@onsale_app.command("preflight")
def preflight(context: typer.Context, name: Name) -> None:
    """Check that everything is ready for an onsale; exit status 1 if something is not."""
    api = _api(context)
    answer = api.ask(f"onsales/{quote(name, safe='')}/preflight")
    if api.json:
        _print_json(answer)
    else:
        _print_table(
            ("check", "result", ""), [[c["name"], c["result"], c["detail"]] for c in answer["checks"]]
        )
    if answer["result"] == "fail":
        raise typer.Exit(REFUSED)


@onsale_app.command("audit")
def audit(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The onsale; all if none is named.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at the most.")] = 50,
) -> None:
    """Show who changed what, when and from what to what: the audit log, newest first."""
    api = _api(context)
    wanted = {} if name is None else {"onsale": name}
    answer = api.ask(f"audit?{urlencode({**wanted, 'limit': limit})}")
    if api.json:
        return _print_json(answer)
    rows = [
        [_time(each["at"]), each["onsale"], each["who"], each["what"], _changes(each), each["request_id"]]
        for each in answer["entries"]
    ]
    return _print_table(("at", "onsale", "who", "what", "change", "request_id"), rows)


@onsale_app.command("token")
def token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose token it is; the audit log shows it.")],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.VIEWER,
    onsale: Annotated[
        list[str] | None, typer.Option("--onsale", help="Good for this onsale only; repeatable.")
    ] = None,
    add_to: Annotated[
        Path | None,
        typer.Option(
            "--add-to",
            help="Add the line to this token file, made if it is not there, and print the token alone.",
        ),
    ] = None,
) -> None:
    """Make a token: prints the line for the token file, which holds no secret, and the token, this once."""
    made = make_token(name, role, onsale)
    if add_to is not None:
        add_token(add_to, made.entry)
        print(made.token)
        return None
    entry = made.entry.model_dump(mode="json", exclude_none=True)
    if context.obj.json:
        return _print_json({"entry": entry, "token": made.token})
    print(f"- {json.dumps(entry)}")
    print(f"token, shown only now: {made.token}", file=sys.stderr)
    return None


def _api(context: typer.Context) -> Api:
    api: Api = context.obj
    if not api.token:
        raise typer.BadParameter("give --admin-token or set TIDEGATE_ADMIN_TOKEN", param_hint="--admin-token")
    if not api.token.isascii() or not api.token.isprintable():
        raise typer.BadParameter("is not a token", param_hint="--admin-token")
    return api


def _change(context: typer.Context, name: str, action: str, body: dict[str, Any]) -> None:
    api = _api(context)
    answer = api.ask(f"onsales/{quote(name, safe='')}/{action}", body)
    if api.json:
        return _print_json(answer)
    print(f"{name}: {action}: {_changes(answer) or 'nothing to change'}")
    return None


def _say_guarded(context: typer.Context) -> None:
    """Say what a closing does not do, as the next question is when the shop is free again."""
    if not context.obj.json:
        print(
            "those inside and those whose turn has come go on; nobody else gets in, as the gate guards the shop until "
            "the document's `closes` (for good where it has none): to open it to all, write an earlier one"
        )


def _changes(entry: dict[str, Any]) -> str:
    return ", ".join(
        f"{field} {entry['before'].get(field) or _DASH} -> {value or _DASH}"
        for field, value in entry["after"].items()
    )


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # `Text` values come from documents and operators: nothing in them is markup.
        table.add_row(*(_DASH if value in (None, "") else str(value).replace("[", r"\[") for value in row))
    Console().print(table)
