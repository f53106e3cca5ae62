"""The key set of a shop's own gate: fetched when it is lacking, never as often as a stranger likes, and only keys of ours."""

import asyncio
import json
import threading
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import ECKey, OctKey, OKPKey

from tests.waitingroom.samples import KEYRING
from waitingroom.errors import ConfigurationError
from waitingroom.middleware.keys import FetchedKeys, StaticKeys, read_keys
from waitingroom.passes import public_keys

OURS = public_keys(KEYRING).as_dict(private=False)
URL = "http://room.example.org/.well-known/jwks.json"


class Room:
    """Stands for the room's address: serves a document, or fails, and counts; time is the test's."""

    def __init__(self, document: Any = OURS) -> None:
        self.document = document
        self.asked = 0
        self.now = 1000.0

    def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.document is None:
            raise OSError("unreachable")
        return json.dumps(self.document).encode()

    def keys(self) -> FetchedKeys:
        return FetchedKeys(URL, fetch=self.fetch, clock=lambda: self.now)


def ask(keys: FetchedKeys, kid: str | None) -> None:
    if keys.is_due(kid):
        keys.refresh(kid)


def test_the_set_is_fetched_once_and_kept() -> None:
    room = Room()
    keys = room.keys()
    for _ in range(5):
        ask(keys, "1")
        room.now += 60
    assert (room.asked, keys.kids) == (1, {"1"})


def test_unknown_keys_make_for_one_fetch_each_half_minute() -> None:
    room = Room()
    keys = room.keys()
    ask(keys, None)
    for number in range(1000):
        ask(keys, f"forged-{number}")
    assert room.asked == 1
    room.now += 30
    for number in range(1000):
        ask(keys, f"forged-{number}")
    assert room.asked == 2


def test_a_new_key_is_found_and_one_taken_back_is_forgotten() -> None:
    room = Room()
    keys = room.keys()
    ask(keys, "1")
    newer = OKPKey.generate_key("Ed25519").as_dict(private=False)
    room.document = {"keys": [{**newer, "kid": "2"}]}
    room.now += 31
    ask(keys, "2")
    assert keys.kids == {"2"}


def test_an_old_set_is_fetched_anew_and_stays_while_the_room_is_away() -> None:
    room = Room()
    keys = room.keys()
    ask(keys, "1")
    room.now += 3601
    room.document = None
    ask(keys, "1")
    ask(keys, "1")
    assert (room.asked, keys.kids) == (2, {"1"})


def test_before_the_first_set_there_is_none() -> None:
    room = Room(None)
    keys = room.keys()
    ask(keys, "1")
    assert keys.kids == frozenset()
    assert keys.reader.read("cactus", None, 0, secure=True) is None


@pytest.mark.parametrize(
    "document", [[], {}, {"keys": 1}, {"keys": []}, {"keys": [1, {}, {"kty": "OKP"}]}, "x", 7]
)
def test_a_document_of_another_form_changes_nothing(document: Any) -> None:
    room = Room(document)
    keys = room.keys()
    ask(keys, "1")
    assert keys.kids == frozenset()


def test_keys_of_other_kinds_are_left_aside() -> None:
    others = [
        {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "ec"},
        {**OctKey.generate_key().as_dict(), "kid": "oct"},
        {**OKPKey.generate_key("X25519").as_dict(private=False), "kid": "x"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "broken", "x": "!"},
        {"kty": "OKP", "crv": "Ed25519", "x": OURS["keys"][0]["x"]},
    ]
    assert read_keys({"keys": [*others, *OURS["keys"]]}).keys() == {"1"}


def test_many_first_callers_share_one_fetch() -> None:
    room = Room()
    go_on = threading.Event()

    def slow(url: str) -> bytes:
        room.asked += 1
        assert go_on.wait(30)
        return json.dumps(OURS).encode()

    keys = FetchedKeys(URL, fetch=slow)
    threads = [threading.Thread(target=keys.refresh, args=("1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (room.asked, keys.kids) == (1, {"1"})


async def test_the_rooms_own_document_is_fetched_over_http() -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.json_response(OURS)

    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", serve)
    async with TestServer(app) as server:
        keys = FetchedKeys(str(server.make_url("/.well-known/jwks.json")))
        await asyncio.to_thread(keys.refresh, None)
    assert keys.kids == {"1"}


def test_what_cannot_be_a_key_set_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="not an http"):
        FetchedKeys("file:///etc/passwd")
    with pytest.raises(ConfigurationError, match="no Ed25519 key"):
        StaticKeys({"keys": []})
    assert not StaticKeys(OURS).is_due("2")
