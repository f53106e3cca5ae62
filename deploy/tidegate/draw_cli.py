"""`tidegate draw verify`: recompute a position from the published record, trusting nothing but arithmetic and the keys."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from autoscaler.wording import said
from waitingroom.drawrecord import DrawnPool, DrawRecord, verify_record
from waitingroom.errors import WaitingRoomError
from waitingroom.keyfiles import read_public_keys

draw_app = typer.Typer(help="The draw of an onsale.", no_args_is_help=True)
_TIMEOUT_S = 10.0
_FAILED = 1


class DrawUnreadable(WaitingRoomError):
    """The record, the keys or the room's answers cannot be had."""


@draw_app.command("verify")
def verify(
    source: Annotated[
        str,
        typer.Argument(
            help="The room's address with the onsale (https://queue.example.org/cactus), or a saved /draw answer."
        ),
    ],
    number: Annotated[
        int | None, typer.Option("--number", min=1, help="The number whose position to recompute.")
    ] = None,
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="The number's epoch, where the pre-queue had several.")
    ] = None,
    position: Annotated[
        int | None, typer.Option("--position", min=1, help="The position that was shown, to compare.")
    ] = None,
    commitment: Annotated[
        str | None,
        typer.Option("--commitment", help="The seed's hash as announced; default: the one in the answer."),
    ] = None,
    beacon: Annotated[
        str | None,
        typer.Option("--beacon", help="The beacon's value as its source tells it, to compare."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="A saved /.well-known/jwks.json; default: fetched from the room."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a draw's record and recompute positions from it."""
    answer, key_set = asyncio.run(_read(source, keys))
    if not answer.get("record"):
        raise DrawUnreadable("the draw has not been published yet: there is no record before the opening")
    record = verify_record(str(answer["record"]), read_public_keys(key_set))
    announced = commitment or answer.get("commitment")
    seed_hash = record.commitment
    announced_beacon = (answer.get("beacon") or {}).get("source")
    mixed = record.beacon.value if record.beacon else None
    found = _position(record, epoch, number) if number is not None else None
    kept = (
        announced is not None
        and announced.lower() == seed_hash
        and (position is None or position == found)
        and (beacon is None or beacon == mixed)
        and (
            announced_beacon is None
            or (record.beacon is not None and announced_beacon == record.beacon.source)
        )
    )
    if as_json:
        print(
            json.dumps(
                {
                    "onsale": record.onsale,
                    "size": record.size,
                    "pool": record.pool,
                    "seed": record.seed,
                    "commitment": announced,
                    "seed_sha256": seed_hash,
                    "beacon": {"source": record.beacon.source, "value": mixed} if record.beacon else None,
                    "number": number,
                    "position": found,
                    "ok": kept,
                }
            )
        )
    else:
        print(f"{record.onsale}: {record.size} buyers were drawn; the record's signature holds")
        agrees = "equals" if announced and announced.lower() == seed_hash else "DIFFERS FROM"
        print(f"the seed's hash {agrees} the announced {announced}")
        print(_beacon_line(record, announced_beacon, beacon))
        if number is not None:
            shown = "" if position is None else f", as shown: {position == found}"
            print(f"number {number} was drawn to position {found}{shown}")
    sys.exit(0 if kept else _FAILED)


def _beacon_line(record: DrawRecord, announced: str | None, looked_up: str | None) -> str:
    """Say what the beacon proves: nothing without one, and with one only as much as the reader has looked up."""
    if record.beacon is None:
        missing = f", though {announced} was announced: DIFFERS" if announced else ""
        return f"no beacon was mixed with the seed{missing}: the operator knew the draw beforehand"
    if announced is not None and announced != record.beacon.source:
        return f"the beacon is {record.beacon.source}, which DIFFERS FROM the announced {announced}"
    if looked_up is None:
        advice = f"compare it with {record.beacon.source}, or give it with --beacon"
        return f"the beacon's value is {record.beacon.value}: {advice}"
    agrees = "is" if looked_up == record.beacon.value else "DIFFERS FROM"
    return f"the value of {record.beacon.source} {agrees} the one that you looked up"


def _position(record: DrawRecord, epoch: int | None, number: int) -> int:
    if epoch is None and len(record.pool) > 1:
        epochs = ", ".join(str(known) for known, _ in record.pool)
        raise DrawUnreadable(f"the pre-queue had several epochs ({epochs}): say which with --epoch")
    pool = DrawnPool(record)
    position = pool.position(pool.epoch if epoch is None else epoch, number)
    if position is None:
        raise DrawUnreadable(f"number {number} took no part in the draw: it joined after the opening")
    return position


async def _read(source: str, keys: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    if not source.startswith(("http://", "https://")):
        answer = _read_file(Path(source))
        if keys is None:
            raise DrawUnreadable("a saved answer needs --keys: which keys signed it?")
        return answer, _read_file(keys)
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Accept": "application/json"}) as session:
        answer = await _fetch(session, f"{source.rstrip('/')}/draw")
        room = source.rstrip("/").rpartition("/")[0]
        return answer, _read_file(keys) if keys else await _fetch(session, f"{room}/.well-known/jwks.json")


async def _fetch(session: Any, url: str) -> dict[str, Any]:
    import aiohttp

    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise DrawUnreadable(f"{url} answers {answer.status}")
            return dict(await answer.json())
    except ValueError as error:
        raise DrawUnreadable(
            f"{url}: is no draw of a room; give the room's address with the onsale"
        ) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DrawUnreadable(f"{url}: {said(error)}") from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError)
            else f"not the JSON that was expected: {str(error)[:200]}"
        )
        raise DrawUnreadable(f"{path}: {reason}") from error
