"""Places: one encoding each, and nothing but our own signature passes."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitingroom.errors import InvalidToken
from waitingroom.places import Place, session_id, sign_place, verify_place

KEYS = {"1": b"a" * 32, "2": b"b" * 32}
U64 = st.integers(0, 2**64 - 1)
PLACES = st.builds(
    Place,
    onsale=st.text(min_size=1, max_size=40),
    epoch=U64,
    number=U64,
    issued_at_ms=U64,
    device=st.binary(max_size=40),
    generation=st.integers(0, 2**32 - 1),
    account=st.text(max_size=22),
)
PLACE = Place("cactus", 1_700_000_000_000, 42, 1_700_000_000_123, b"device")


@given(PLACES)
def test_a_signed_place_comes_back_as_it_was(place: Place) -> None:
    assert verify_place(sign_place(place, "1", KEYS["1"]), place.onsale, KEYS) == place


@given(PLACES, PLACES)
def test_no_two_places_share_a_token(one: Place, other: Place) -> None:
    same = sign_place(one, "1", KEYS["1"]) == sign_place(other, "1", KEYS["1"])
    assert same == (one == other)


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = sign_place(PLACE, "1", KEYS["1"])
    index = data.draw(st.integers(0, len(token) - 1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    letter = data.draw(st.sampled_from([c for c in alphabet if c != token[index]]))
    with pytest.raises(InvalidToken):
        verify_place(token[:index] + letter + token[index + 1 :], "cactus", KEYS)


@given(st.text(max_size=300))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify_place(text, "cactus", KEYS)


@given(st.integers(0, 200))
def test_a_truncated_token_is_refused(length: int) -> None:
    token = sign_place(PLACE, "1", KEYS["1"])
    with pytest.raises(InvalidToken):
        verify_place(token[: min(length, len(token) - 1)], "cactus", KEYS)


@pytest.mark.parametrize(
    ("token", "onsale", "message"),
    [
        pytest.param(sign_place(PLACE, "1", KEYS["1"]), "other", "another onsale", id="other onsale"),
        pytest.param(sign_place(PLACE, "9", b"x" * 32), "cactus", "unknown key", id="unknown key"),
        pytest.param(sign_place(PLACE, "1", b"x" * 32), "cactus", "wrong signature", id="forged"),
        pytest.param(sign_place(PLACE, "1", KEYS["1"]) + "=", "cactus", "canonical|base64", id="padded"),
        pytest.param("A" * 600, "cactus", "too long", id="oversize"),
        pytest.param(
            base64.urlsafe_b64encode(b"\x03" + b"x" * 60).decode().rstrip("="),
            "cactus",
            "version",
            id="version",
        ),
    ],
)
def test_a_refused_token_says_why(token: str, onsale: str, message: str) -> None:
    with pytest.raises(InvalidToken, match=message):
        verify_place(token, onsale, KEYS)


def test_an_old_key_verifies_after_a_new_one_signs() -> None:
    old = sign_place(PLACE, "1", KEYS["1"])
    new = sign_place(PLACE, "2", KEYS["2"])
    assert verify_place(old, "cactus", KEYS) == verify_place(new, "cactus", KEYS)


def test_a_place_of_an_account_is_one_of_no_other() -> None:
    token = sign_place(replace(PLACE, account="members"), "1", KEYS["1"])
    assert verify_place(token, "cactus", KEYS).account == "members"
    assert verify_place(sign_place(PLACE, "1", KEYS["1"]), "cactus", KEYS).account == ""


def test_the_session_follows_from_the_place_and_its_generation() -> None:
    again = replace(PLACE, issued_at_ms=7, device=b"other device")
    assert session_id(PLACE, b"k" * 32) == session_id(again, b"k" * 32)
    assert session_id(PLACE, b"k" * 32) != session_id(replace(PLACE, generation=1), b"k" * 32)
    assert session_id(PLACE, b"k" * 32) != session_id(PLACE, b"l" * 32)
    neighbour = Place("cactus", PLACE.epoch, PLACE.number + 1, 0, b"")
    assert session_id(PLACE, b"k" * 32) != session_id(neighbour, b"k" * 32)
