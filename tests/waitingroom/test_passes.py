"""Passes: ours alone, of the pinned algorithm, complete, of this onsale."""

import base64
import json
import warnings
from collections.abc import Mapping

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from tests.waitingroom.samples import KEYRING
from waitingroom.errors import InvalidToken
from waitingroom.passes import Pass, device_hash, public_keys, sign_pass, verify_pass
from waitingroom.signatures import REGISTRY

ADMISSION = Pass("session", "cactus", device_hash("device"), 1_000, 1_600, 2_800)
CLAIMS = {"iss": "tidegate", "aud": "cactus", "sub": "s", "iat": 1, "exp": 2, "end": 3, "dev": "d"}


def test_a_signed_pass_comes_back_as_it_was() -> None:
    assert verify_pass(sign_pass(ADMISSION, KEYRING), "cactus", KEYRING) == ADMISSION


def test_a_pass_of_another_onsale_is_refused() -> None:
    with pytest.raises(InvalidToken, match="another onsale"):
        verify_pass(sign_pass(ADMISSION, KEYRING), "dahlia", KEYRING)


@pytest.mark.parametrize("missing", sorted(CLAIMS))
def test_a_pass_without_one_of_its_claims_is_refused(missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    token = jwt.encode({"alg": "EdDSA", "kid": "1"}, claims, KEYRING.pass_keys["1"], registry=REGISTRY)
    with pytest.raises(InvalidToken):
        verify_pass(token, "cactus", KEYRING)


def test_those_claims_under_our_key_are_a_pass() -> None:
    token = jwt.encode({"alg": "EdDSA", "kid": "1"}, dict(CLAIMS), KEYRING.pass_keys["1"], registry=REGISTRY)
    assert verify_pass(token, "cactus", KEYRING) == Pass("s", "cactus", "d", 1, 2, 3)


def test_a_pass_of_ours_that_is_far_too_long_is_refused_unread() -> None:
    token = jwt.encode(
        {"alg": "EdDSA", "kid": "1"}, CLAIMS | {"more": "x" * 2048}, KEYRING.pass_keys["1"], registry=REGISTRY
    )
    with pytest.raises(InvalidToken, match="too long"):
        verify_pass(token, "cactus", KEYRING)


def segment(document: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    """Return a token with all claims, our key's name and no signature."""
    return f"{segment({'alg': algorithm, 'kid': '1'})}.{segment(CLAIMS)}."


def forged(header: dict[str, str], key: OKPKey | OctKey) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(header, dict(CLAIMS), key, algorithms=["EdDSA", "HS256"])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="garbage"),
        pytest.param("x" * 3_000, id="oversize"),
        pytest.param(unsigned("none"), id="algorithm none"),
        pytest.param(unsigned("None"), id="algorithm None"),
        pytest.param(unsigned("NONE"), id="algorithm NONE"),
        pytest.param(unsigned("EdDSA"), id="our algorithm without a signature"),
        pytest.param(
            forged({"alg": "EdDSA", "kid": "1"}, OKPKey.generate_key("Ed25519")),
            id="another key under our kid",
        ),
        pytest.param(forged({"alg": "EdDSA", "kid": "7"}, KEYRING.pass_keys["1"]), id="unknown kid"),
        pytest.param(forged({"alg": "EdDSA"}, KEYRING.pass_keys["1"]), id="no kid"),
        pytest.param(
            forged(
                {"alg": "HS256", "kid": "1"},
                OctKey.import_key(KEYRING.pass_keys["1"].as_dict(private=False)["x"]),
            ),
            id="hmac with the public key",
        ),
    ],
)
def test_a_forged_pass_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify_pass(token, "cactus", KEYRING)


def test_a_renewed_pass_never_outlasts_the_hard_end() -> None:
    renewed = ADMISSION.renewed(2_500.5, 600)
    assert (renewed.expires_at_s, renewed.ends_at_s) == (2_800, 2_800)
    assert ADMISSION.renewed(1_200, 600).expires_at_s == 1_800


def test_hosts_may_differ_by_half_a_minute() -> None:
    assert ADMISSION.is_current(1_629)
    assert not ADMISSION.is_current(1_630)
    assert ADMISSION.is_current(970)
    assert not ADMISSION.is_current(969)


def test_the_published_keys_hold_no_secret() -> None:
    (key,) = public_keys(KEYRING).as_dict(private=False)["keys"]
    assert "d" not in key
    assert (key["kid"], key["alg"], key["use"]) == ("1", "EdDSA", "sig")
