"""Entry tokens: what the shop signed for this onsale and this moment counts, and nothing else."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey, RSAKey

from tests.waitingroom.shopkeys import ISSUER, Shop
from waitingroom.entrytoken import EntryTerms, read_entry_keys, verify_entry
from waitingroom.errors import EntryRefused

SHOP = Shop()
KEYS = read_entry_keys(SHOP.published())
TERMS = EntryTerms(ISSUER, "cactus", ("EdDSA", "ES256", "RS256"))
NOW = time.time()


def invite(subject: str, algorithm: str = "EdDSA", shop: Shop = SHOP, **changes: Any) -> str:
    return shop.invite(subject, algorithm, **{"iat": int(NOW), "exp": int(NOW) + 600} | changes)


def refusal(token: str, now_s: float = NOW, terms: EntryTerms = TERMS) -> str:
    with pytest.raises(EntryRefused) as refused:
        verify_entry(token, KEYS, terms, now_s)
    return refused.value.reason


def part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_token_of_each_kind_of_key_counts(algorithm: str) -> None:
    token = invite("member-7", algorithm, exp=int(NOW) + 60)
    found = verify_entry(token, KEYS, TERMS, NOW)
    assert (found.subject, found.expires_at_s) == ("member-7", int(NOW) + 60)


def test_an_audience_may_be_one_of_several() -> None:
    assert verify_entry(invite("m", aud=["tulip", "cactus"]), KEYS, TERMS, NOW).subject == "m"


def test_a_set_of_one_key_needs_no_name_for_it() -> None:
    (key,) = SHOP.published("EdDSA")["keys"]
    keys = read_entry_keys({"keys": [{name: value for name, value in key.items() if name != "kid"}]})
    assert verify_entry(invite("m", kid=None), keys, TERMS, NOW).subject == "m"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"exp": int(NOW) - 31}, "expired", id="expired"),
        pytest.param({"exp": None}, "malformed", id="never ends"),
        pytest.param({"exp": "soon"}, "malformed", id="an end that is no time"),
        pytest.param({"exp": True}, "malformed", id="an end that is a flag"),
        pytest.param({"nbf": int(NOW) + 40}, "not_yet", id="not yet"),
        pytest.param({"iat": int(NOW) + 40}, "not_yet", id="issued in the future"),
        pytest.param({"iss": "https://evil.example.org"}, "issuer", id="another issuer"),
        pytest.param({"iss": None}, "issuer", id="no issuer"),
        pytest.param({"aud": "tulip"}, "audience", id="another onsale's"),
        pytest.param({"aud": None}, "audience", id="for anybody"),
        pytest.param({"aud": [["cactus"]]}, "audience", id="an odd audience"),
        pytest.param({"sub": None}, "subject", id="no account"),
        pytest.param({"sub": ""}, "subject", id="an empty account"),
        pytest.param({"sub": 7}, "subject", id="an account that is a number"),
        pytest.param({"sub": "m" * 257}, "subject", id="an endless account"),
        pytest.param({"sub": "m\n"}, "subject", id="an account with a line's end"),
        pytest.param({"kid": "last-year"}, "unknown_key", id="an unknown key"),
        pytest.param({"kid": None}, "unknown_key", id="one of several keys, unnamed"),
        pytest.param({"kid": "RS256"}, "algorithm", id="a key of another kind"),
    ],
)
def test_a_token_that_does_not_count_says_why(changes: dict[str, Any], reason: str) -> None:
    assert refusal(invite("m", **changes)) == reason


def test_hosts_may_differ_by_half_a_minute() -> None:
    token = invite("m", exp=int(NOW) + 60, iat=int(NOW), nbf=int(NOW))
    assert verify_entry(token, KEYS, TERMS, NOW + 89).subject == "m"
    assert verify_entry(token, KEYS, TERMS, NOW - 29).subject == "m"
    assert refusal(token, NOW + 91) == "expired"
    assert refusal(token, NOW - 32) == "not_yet"


def test_a_token_without_a_signature_is_refused() -> None:
    claims = {"iss": ISSUER, "aud": "cactus", "sub": "m", "exp": int(NOW) + 60}
    for name in ("none", "None", "NONE"):
        unsigned = f"{part({'alg': name, 'kid': 'EdDSA'})}.{part(claims)}."
        assert refusal(unsigned) == "malformed"
        assert refusal(unsigned + "AA") == "algorithm"


def test_a_public_key_is_no_shared_secret() -> None:
    """The old trick: HS256 with the text of the public key as its secret."""
    claims = {"iss": ISSUER, "aud": "cactus", "sub": "m", "exp": int(NOW) + 60}
    signed = f"{part({'alg': 'HS256', 'kid': 'RS256'})}.{part(claims)}"
    mac = hmac.digest(SHOP.rsa.as_pem(private=False), signed.encode(), hashlib.sha256)
    assert refusal(f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}") == "algorithm"


def test_an_algorithm_which_the_document_leaves_out_is_refused() -> None:
    terms = EntryTerms(ISSUER, "cactus", ("ES256",))
    assert refusal(invite("m", "RS256"), terms=terms) == "algorithm"
    assert verify_entry(invite("m", "ES256"), KEYS, terms, NOW).subject == "m"


def test_another_shops_signature_is_refused() -> None:
    for algorithm in TERMS.algorithms:
        assert refusal(invite("m", algorithm, Shop())) == "signature"


def test_headers_which_change_the_reading_are_refused() -> None:
    claims = {"iss": ISSUER, "aud": "cactus", "sub": "m", "exp": int(NOW) + 60}
    for more in ({"crit": ["b64"], "b64": False}, {"crit": ["exp"]}, {"b64": True}):
        head = part({"alg": "EdDSA", "kid": "EdDSA", **more})
        assert refusal(f"{head}.{part(claims)}.AAAA") == "malformed"


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = invite("member-7")
    index = data.draw(st.integers(0, len(token) - 1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    letter = data.draw(st.sampled_from([c for c in alphabet if c != token[index]]))
    refusal(token[:index] + letter + token[index + 1 :])


@given(st.text(max_size=200))
def test_garbage_is_refused(text: str) -> None:
    assert refusal(text) == "malformed"


def test_an_endless_token_is_not_even_read() -> None:
    assert refusal("A" * 2000 + "." + "A" * 2000 + ".A") == "malformed"
    assert refusal(f"{part({'alg': 'EdDSA', 'kid': 'EdDSA'})}.{'W1tb' * 500}.AA") != ""


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param([], "not a JSON Web Key Set", id="a list"),
        pytest.param({"keys": {}}, "not a JSON Web Key Set", id="no list"),
        pytest.param({"keys": []}, "holds no public key", id="empty"),
        pytest.param({"keys": ["EdDSA", 7]}, "holds no public key", id="no keys in it"),
        pytest.param({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, "holds a secret key", id="a shared secret"),
        pytest.param({"keys": [SHOP.ed.as_dict(private=True)]}, "holds a secret key", id="a private key"),
        pytest.param({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "!"}]}, "no public key", id="broken"),
        pytest.param(
            {"keys": [{**OKPKey.generate_key("Ed448").as_dict(private=False)}]}, "no public key", id="Ed448"
        ),
        pytest.param(
            {"keys": [{**SHOP.ed.as_dict(private=False), "use": "enc"}]}, "no public key", id="for encryption"
        ),
        pytest.param(
            {"keys": [{**SHOP.rsa.as_dict(private=False), "alg": "PS256"}]},
            "no public key",
            id="for another algorithm",
        ),
        pytest.param(
            {"keys": [SHOP.ed.as_dict(private=False), SHOP.rsa.as_dict(private=False)]},
            "two keys without a kid",
            id="no names",
        ),
    ],
)
def test_a_key_set_that_cannot_be_used_says_why(document: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_entry_keys(document)


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_that_is_too_small_is_left_aside() -> None:
    small = RSAKey.generate_key(1024, private=True).as_dict(private=False)
    keys = read_entry_keys({"keys": [*SHOP.published("ES256")["keys"], {**small, "kid": "small"}]})
    assert list(keys) == ["ES256"]
