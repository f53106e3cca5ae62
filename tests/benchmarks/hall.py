"""The onsale of the web benchmarks: its document, its buyers and what they send."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
from redis import Redis

from rulebook import Onsale
from tests.benchmarks.versus import Subject
from waitingroom.keyfiles import load_keyring
from waitingroom.passes import Pass, device_hash, sign_pass
from waitingroom.places import Place, sign_place
from waitingroom.roomsettings import room_settings
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect
from waitingroom.web.cookies import PLACE_COOKIE, device_cookie, pass_cookie

NAME = "cactusfestival"
SORTED_SET = "queue"
_BATCH = 500
_PASS_LENGTH_S = 3600
_AUTH = "/gate/auth"
_DEVICE_COOKIE = device_cookie(secure=True)
_ORIGINAL = ("X-Original-Method: GET", "X-Original-URI: /cactus/seats?row=7")


class Hall:
    """A folder with the onsale's document and keys, a store, and `waiting` buyers in line.

    By itself the line moves so slowly that the buyers of a benchmark wait throughout.
    """

    def __init__(self, folder: Path, store_url: str, waiting: int, rate: str = "0.01/s") -> None:
        self.folder = folder
        self.store_url = store_url
        (folder / "onsales").mkdir()
        document = _document(rate)
        (folder / "onsales" / f"{NAME}.yaml").write_text(json.dumps(document))
        self._onsale = Onsale.model_validate(document)
        self._keyring = load_keyring(folder / "keys", [])
        self._places = uvloop.run(self._fill(waiting))

    @property
    def settings(self) -> dict[str, str]:
        """The onsale's settings as the store takes them."""
        return room_settings(self._onsale)

    def status(self) -> Subject:
        """The status of a waiting buyer."""
        requests = [_request("GET", f"/{NAME}/status", self._place_cookies(place)) for place in self._places]
        return Subject("status", self.room(0.2), "GET", f"/{NAME}/status", lambda: itertools.cycle(requests))

    def join(self) -> Subject:
        """A join, each of a device that has never been seen: the page has set its cookie."""
        path = f"/{NAME}/join"
        # Plain counting is the quickest way to new nonces; the form is that of the room's own.
        template = _request("POST", path, f"{_DEVICE_COOKIE}=%022d").decode()
        return Subject(
            "join",
            self.room(0.2),
            "POST",
            path,
            lambda: ((template % number).encode() for number in _numbers),
        )

    def gate_auth(self) -> Subject:
        """The gate's answer to nginx about buyers who hold a pass."""
        return Subject("gate_auth", self.room(0.2), "GET", _AUTH, self._passes())

    def gate_check(self) -> Subject:
        """The check of a pass alone, behind the least of handlers: what `gate_auth` cannot do without."""
        options = {"kind": "checkpoint", "folder": str(self.folder), "path": _AUTH}
        return Subject("gate_check", options, "GET", _AUTH, self._passes())

    def sorted_set(self) -> dict[str, Any]:
        """Return the options of a waiting room over a sorted set, in which the buyers in line stand too."""
        store = Redis.from_url(self.store_url)
        store.zadd(SORTED_SET, {place.device.decode(): place.issued_at_ms / 1000 for place in self._places})
        store.close()
        return {"kind": "sorted-set", "store": self.store_url, "name": NAME, "key": SORTED_SET}

    def room(self, refresh_every_s: float) -> dict[str, Any]:
        """Return the options of the waiting room's server."""
        return {
            "kind": "room",
            "folder": str(self.folder),
            "store": self.store_url,
            "refresh_every_s": refresh_every_s,
        }

    def _passes(self) -> Callable[[], Iterator[bytes]]:
        """Questions about many buyers, all with a pass of this moment, which needs no renewal for a minute."""
        now = int(time.time())
        ends = now + _PASS_LENGTH_S
        requests = []
        for place in self._places:
            device = place.device.decode()
            admission = Pass(f"session-{place.number}", NAME, device_hash(device), now, ends, ends)
            token = sign_pass(admission, self._keyring)
            cookies = f"{_DEVICE_COOKIE}={device}; {pass_cookie(NAME)}={token}"
            requests.append(_request("GET", _AUTH, cookies, _ORIGINAL, host="tickets.example.org"))
        return lambda: itertools.cycle(requests)

    async def _fill(self, buyers: int) -> list[Place]:
        client = connect(self.store_url)
        store = OnsaleStore(client, NAME, room_settings(self._onsale))
        await store.configure()
        places = []
        for start in range(0, buyers, _BATCH):
            devices = [_device(number) for number in range(start, min(start + _BATCH, buyers))]
            for device, given in zip(devices, await store.join(devices), strict=True):
                places.append(Place(NAME, given.epoch, given.number, given.at_ms, device.encode()))
        await client.aclose()
        return places

    def _place_cookies(self, place: Place) -> str:
        kid = self._keyring.signing_place_kid
        token = sign_place(place, kid, self._keyring.place_keys[kid])
        return f"{_DEVICE_COOKIE}={place.device.decode()}; {PLACE_COOKIE}={token}"


_numbers = itertools.count(1)


def _document(rate: str) -> dict[str, Any]:
    return {
        "apiVersion": "tidegate.dev/v1",
        "kind": "Onsale",
        "metadata": {"name": NAME},
        "spec": {
            "title": {"en": "Cactusfestival", "nl": "Cactusfestival"},
            "shop": "https://tickets.example.org/cactus",
            "protect": [{"host": "tickets.example.org", "path": "/cactus"}],
            "admission": {
                "rate": rate,
                "burst": 1,
                "capacity": 12000,
                "claimWithin": "2m",
                "fallbackRate": "0.01/s",
            },
            "session": {"length": "4h", "max": "8h"},
        },
    }


def _device(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(16, "big")).rstrip(b"=").decode()


def _request(
    method: str, path: str, cookies: str, more: tuple[str, ...] = (), *, host: str = "queue.example.org"
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "Accept: application/json",
        "User-Agent: tidegate-benchmark",
        f"Cookie: {cookies}",
        *more,
    ]
    if method == "POST":
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
