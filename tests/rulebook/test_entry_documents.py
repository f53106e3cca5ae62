"""Entry by token, as it may be written: never without keys, and never keys without asking for them."""

from __future__ import annotations

import pytest

from rulebook import DocumentErrors, load_text
from rulebook.onsale import EntryToken

PRESALE = """\
apiVersion: tidegate.dev/v1
kind: Onsale
metadata: {name: gala}
spec:
  shop: https://shop.example.org/
  entry: token
  entryToken: {jwks: 'https://shop.example.org/keys.json', issuer: 'https://shop.example.org'}
  admission: {rate: 20/s}
"""
KEYS = "jwks: 'https://shop.example.org/keys.json'"


def test_a_presale_names_the_shops_keys_and_issuer() -> None:
    spec = load_text(PRESALE).onsales["gala"].spec
    assert spec.entry == "token"
    assert spec.entry_token == EntryToken(
        jwks="https://shop.example.org/keys.json", issuer="https://shop.example.org"
    )
    assert spec.entry_token.algorithms == ("EdDSA", "ES256", "RS256")


def test_entry_is_open_unless_said_otherwise() -> None:
    lines = [line for line in PRESALE.splitlines() if "entry" not in line]
    spec = load_text("\n".join(lines)).onsales["gala"].spec
    assert (spec.entry, spec.entry_token) == ("open", None)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_on_this_very_host_keys_may_come_without_tls(host: str) -> None:
    load_text(PRESALE.replace("https://shop.example.org/keys.json", f"http://{host}:8000/keys.json"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param(
            f"  entryToken: {{{KEYS}, issuer: 'https://shop.example.org'}}\n",
            "",
            "x.yaml:6:10: spec.entry: token needs entryToken: the shop's keys (jwks or keysFile) and its issuer, "
            "found 'token'",
            id="no keys at all",
        ),
        pytest.param(
            "  entry: token\n",
            "",
            "x.yaml:4:1: spec.entry: must be token where entryToken is given: as it stands, anybody may join, "
            "found 'open'",
            id="keys that nobody asks for",
        ),
        pytest.param(
            f"{KEYS}, ",
            "",
            "x.yaml:7:3: spec.entryToken: needs either jwks (an address) or keysFile",
            id="an issuer alone",
        ),
        pytest.param(
            KEYS,
            f"{KEYS}, keysFile: keys.json",
            "x.yaml:7:3: spec.entryToken: needs either jwks (an address) or keysFile",
            id="both",
        ),
        pytest.param(
            "https://shop.example.org/keys.json",
            "http://shop.example.org/keys.json",
            "x.yaml:7:22: spec.entryToken.jwks: must be an https:// address: whoever can change the keys on their way "
            "can let anybody in, found 'http://shop.example.org/keys.json'",
            id="without TLS",
        ),
        pytest.param(
            ", issuer: 'https://shop.example.org'",
            "",
            "x.yaml:7:3: spec.entryToken.issuer: is required, and missing",
            id="no issuer",
        ),
        pytest.param(
            "issuer: 'https://shop.example.org'",
            "issuer: ''",
            "x.yaml:7:68: spec.entryToken.issuer: must be text without blanks at its ends, found ''",
            id="an empty issuer",
        ),
        pytest.param(
            KEYS,
            f"{KEYS}, algorithms: [HS256]",
            "x.yaml:7:73: spec.entryToken.algorithms[0]: must be one of EdDSA, ES256, RS256, found 'HS256'; "
            "did you mean RS256?",
            id="a shared secret",
        ),
        pytest.param(
            KEYS,
            f"{KEYS}, algorithms: []",
            "x.yaml:7:72: spec.entryToken.algorithms: must hold at least one, found a list",
            id="no algorithm",
        ),
    ],
)
def test_a_broken_entry_says_what_is_wrong(old: str, new: str, problem: str) -> None:
    assert old in PRESALE
    with pytest.raises(DocumentErrors) as refused:
        load_text(PRESALE.replace(old, new), "x.yaml")
    assert [str(each) for each in refused.value.problems] == [problem]
