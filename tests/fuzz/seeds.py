"""What the fuzzer begins with beside the corpus: a good input of each form that a target reads, and some bad ones."""

import json
from collections.abc import Mapping

from tests.fuzz import tokens
from waitingroom.places import Place, _encode, sign_place

_PLACE = Place("cactus", 1, 2, 3, b"d" * 22, 1, "acc")
_JOSE = b'{"alg":"EdDSA","kid":"1"}\n'
_CLAIMS = b'{"iss":"tidegate","aud":"cactus","sub":"s","iat":1,"exp":2,"end":3,"dev":"d"}'
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "place": (
        sign_place(_PLACE, "1", tokens.KEY).encode(),
        _encode(_PLACE, "1"),
        _encode(Place("cactus", 1, 2, 3, b"d"), "1"),
    ),
    "pass": (
        _JOSE + _CLAIMS,
        b'{"alg":"none","kid":"1"}\n' + _CLAIMS,
        b'{"alg":"HS256","kid":"1"}\n' + _CLAIMS,
    ),
    "entry": (
        _JOSE + b'{"iss":"shop","aud":"cactus","sub":"ada","iat":1,"exp":1000000100}',
        b'{"alg":"none","kid":"1"}\n{"iss":"shop","aud":"cactus","sub":"ada","iat":1,"exp":1000000100}',
        _JOSE + b'{"iss":"shop","aud":["cactus"],"sub":"ada","nbf":1e9,"exp":1e400}',
        json.dumps({"keys": [tokens.PASS_KEY.as_dict(private=False)]}).encode(),
    ),
    "codes": (
        b"ABCDE-FGHJK",
        b"cactus." + b"A" * 22,
        b'{"session":"s","expires_at_s":1,"ends_at_s":2,"location":"x"}',
    ),
    "console": (b"x",),
    "original": (
        b"\x00https://shop.example.org/cactus?x\n\x02GET",
        b"\x01/cactus\n\x06shop.example.org",
        b"\x03/cactus\n\x05shop.example.org\n\x04POST",
    ),
    "paths": (
        b"/cactus/%2e%2e/x",
        b"/a//b;x/..%2fcactus",
        b"/%63actus\\x",
        b"/cactus/free/../seats",
        b"/cactus%252f",
    ),
    "returning": (
        b"/cactus/seats?a=b",
        b"//evil.example/",
        b"https://shop.example.org/cactus/x",
        b"/console/services/web",
        b"public, max-age=5",
    ),
    "heads": (
        b"tidegate_device=" + b"A" * 22 + b"; x=y",
        b"x=y; __Host-tidegate_device=" + b"A" * 22,
        b"nl-BE,en;q=0.8",
        b"203.0.113.9, [2001:db8::1]:44, 10.0.0.2:80",
        b'event: revoked\nid: 1\ndata: {"session":"s"}\n\n',
        b'event: hours\ndata: {"onsale":"x","begins":1,"closes":null}\n\n',
    ),
    "yaml": (
        b"a: &x [1, 2]\nb: *x\n",
        b"title: {en: C}\nshop: https://a.example/\nadmission: {rate: 5/s, burst: 2}\n",
        b"target: {apiVersion: apps/v1, kind: Deployment, name: web}\nreplicas: {min: 1, max: 4}\n"
        b"signals: [{name: a, prometheus: {query: up}, perReplica: 5/s}]\n",
    ),
    "exposition": (
        b'# TYPE a counter\na{b="c"} 1 2\nhttp_requests_total 3\n',
        b'a_bucket{le="0.1"} 1 # {trace="x"} 0.5 1\na 2\n',
    ),
    "quantities": (b"50/s", b"1h30m", b"20%", b"500m", b"1.5Ki", b"1e3", b"9E", b"1e18/ms"),
    "address": (b"redis://u:p@h:1/0?socket_timeout=2", b"a:1,b:2/tide/3", b"[::1]:7000"),
}
